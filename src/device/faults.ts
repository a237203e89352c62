import { DeviceError } from '../core/errors.ts';
import type { CreatePause } from './pause.ts';

/**
 * Everything that can go wrong on a device, in one place: loss and disposal reject whatever is pending,
 * errors nobody captured surface at the next call, and error scopes put a label on the rest.
 */
export interface Faults {
  /** Throws when the device is lost or disposed, or when an earlier call left an uncaptured error. */
  check(where: string): void;
  /** Follows a WebGPU promise; rejects with a DeviceError when it fails or the device goes away first. */
  guard<T>(where: string, promise: Promise<T>): Promise<T>;
  /** Runs `fn` inside validation, out-of-memory and internal scopes; rejects with the first error caught. */
  scope<T>(label: string, fn: () => T): Promise<T>;
  /** Keeps an error to be thrown by the next `check`. */
  report(error: DeviceError): void;
  /** Rejects all that is pending; every later call fails with `error`. Only the first call counts. */
  close(error: DeviceError): void;
  /** Removes and returns the reported error, if there is one. */
  takeReported(): DeviceError | undefined;
  readonly closed: boolean;
}

const SCOPES: readonly GPUErrorFilter[] = ['validation', 'out-of-memory', 'internal'];

/** Watches one GPUDevice; `adapterName` goes into the messages. With `createPause`, waits rest. */
export function watchFaults(gpu: GPUDevice, adapterName: string, createPause?: CreatePause): Faults {
  // A plain Promise.race against `gpu.lost` would add a reaction to it per call and never drop one.
  const pending = new Set<(error: DeviceError) => void>();
  const pause = createPause?.(() => pending.size > 0);
  let closedBy: DeviceError | undefined;
  let reported: DeviceError | undefined;
  let reportedCount = 0;

  const close = (error: DeviceError) => {
    if (closedBy) return;
    closedBy = error;
    for (const reject of pending) reject(error);
    pending.clear();
  };

  const report = (error: DeviceError) => {
    reported ??= error;
    reportedCount += 1;
  };

  const takeReported = () => {
    const error = reported;
    const others = reportedCount - 1;
    reported = undefined;
    reportedCount = 0;
    if (!error || others === 0) return error;
    return new DeviceError(`${error.message} (${others} more followed.)`, { cause: error });
  };

  const check = (where: string) => {
    if (closedBy) {
      const options = { cause: closedBy, lost: closedBy.code === 'device-lost' };
      throw new DeviceError(`${where}: ${closedBy.message}`, options);
    }
    const error = takeReported();
    if (error) throw error;
  };

  const guard = <T>(where: string, promise: Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const rejectPending = (error: DeviceError) =>
        reject(
          new DeviceError(`${where}: ${error.message}`, { cause: error, lost: error.code === 'device-lost' }),
        );
      if (closedBy) return rejectPending(closedBy);
      pending.add(rejectPending);
      pause?.begin();
      promise.then(
        (value) => {
          pending.delete(rejectPending);
          resolve(value);
        },
        (cause: unknown) => {
          // A lost device may reject its promises before it says that it is lost: let it speak first.
          setTimeout(() => {
            pending.delete(rejectPending);
            reject(new DeviceError(`${where}: ${messageOf(cause)}`, { cause }));
          }, 0);
        },
      );
    });

  const scope = async <T>(label: string, fn: () => T): Promise<T> => {
    check(label);
    for (const filter of SCOPES) gpu.pushErrorScope(filter);
    let value: T;
    let pops: readonly Promise<GPUError | null>[] = [];
    try {
      value = fn();
    } finally {
      pops = SCOPES.map(() => gpu.popErrorScope());
      for (const pop of pops) pop.catch(() => undefined); // awaited below, unless fn threw or another failed
    }
    const caught = await guard(label, Promise.all(pops));
    for (const [index, error] of caught.entries()) {
      if (error) throw scopeError(label, SCOPES[SCOPES.length - 1 - index], error);
    }
    check(label);
    return value;
  };

  gpu.addEventListener('uncapturederror', (event) => {
    event.preventDefault();
    report(new DeviceError(`device "${adapterName}": uncaptured WebGPU error: ${tidy(event.error.message)}`));
  });
  gpu.lost.then((info) => {
    const detail = info.message ? `: ${tidy(info.message)}` : '';
    close(
      new DeviceError(
        `device "${adapterName}" was lost (${info.reason || 'unknown'})${detail}. Request a new device.`,
        { lost: true },
      ),
    );
  });

  return {
    check,
    guard,
    scope,
    report,
    close,
    takeReported,
    get closed() {
      return closedBy !== undefined;
    },
  };
}

/** The DeviceError for what an error scope caught; `label` names the kernel and its tuning. */
export function scopeError(label: string, filter: GPUErrorFilter | undefined, error: GPUError): DeviceError {
  return new DeviceError(`${label}: WebGPU ${filter ?? 'unknown'} error: ${tidy(error.message)}`, {
    cause: error,
  });
}

/** Dawn ends its messages with blank lines and doubles the quotes around labels. */
export function tidy(message: string): string {
  return message
    .trim()
    .replaceAll('""', '"')
    .replace(/\n{2,}/g, '\n');
}

function messageOf(cause: unknown): string {
  const message = cause instanceof Error ? tidy(cause.message) || cause.name : String(cause);
  return `WebGPU call failed: ${message}`;
}
