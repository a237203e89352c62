/** What `tessera doctor` knows: the adapters of this machine, which one is used and why. Node only. */
import { EngineError } from '../core/errors.ts';
import { chooseAdapter, classOf, fits, type ListedAdapter } from './adapter-choice.ts';
import { adapterKind, adapterLimits, usableFeatures } from './caps.ts';
import { adviceFor } from './doctor-advice.ts';
import type { DoctorAdapter, DoctorReport } from './doctor-report.ts';
import { examineSystem } from './doctor-system.ts';
import { carriedDrivers, importDawn, noAdapter, openAdapter, systemDrivers } from './node-gpu.ts';

/**
 * Looks at every adapter that can be reached. What goes wrong on the way is part of the report, not thrown.
 * `wanted` is as for `requestDevice`, by default `TESSERA_ADAPTER`.
 */
export async function examineAdapters(
  wanted: string | undefined = process.env.TESSERA_ADAPTER || undefined,
): Promise<DoctorReport> {
  const system = examineSystem();
  const problems: string[] = [];
  const adapters: DoctorAdapter[] = [];
  const seen: ListedAdapter[] = [];
  let chosen: ListedAdapter | undefined;
  try {
    const create = await importDawn();
    for (const [source, findDrivers] of [
      ['system', systemDrivers],
      ['npm', carriedDrivers],
    ] as const) {
      const drivers = await findDrivers(create);
      if (!drivers) continue;
      seen.push(...drivers.adapters);
      chosen ??= chooseAdapter(drivers.adapters, wanted);
      for (const listed of drivers.adapters) {
        const examined = await examineAdapter(() => openAdapter(create, drivers.manifest, listed), listed);
        const why = reason(listed, chosen, wanted);
        adapters.push({ ...examined, source, wouldBeUsed: listed === chosen, why });
      }
    }
    if (!chosen) problems.push(noAdapter(wanted, seen).message);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    problems.push(error.message);
  }
  return { ...system, adapters, problems, advice: adviceFor(system, adapters) };
}

async function examineAdapter(
  open: () => ReturnType<typeof openAdapter>,
  { name, backend }: ListedAdapter,
): Promise<Pick<DoctorAdapter, 'name' | 'driver' | 'backend' | 'kind' | 'features' | 'limits'>> {
  const { adapter } = await open();
  return {
    name,
    backend,
    driver: adapter.info.description || name,
    kind: adapterKind(adapter.info, name),
    features: usableFeatures.filter((feature) => adapter.features.has(feature)),
    limits: adapterLimits(adapter),
  };
}

function reason(
  adapter: ListedAdapter,
  chosen: ListedAdapter | undefined,
  wanted: string | undefined,
): string {
  if (wanted !== undefined && !fits(adapter, wanted)) return `not the "${wanted}" that was asked for`;
  if (adapter !== chosen) return `${chosen?.name ?? 'another'} comes before it`;
  if (wanted !== undefined) return `it is the "${wanted}" that was asked for`;
  return {
    gpu: 'a GPU comes before every CPU driver',
    lavapipe: 'no GPU is there, and it is the fastest of the CPU drivers',
    swiftshader: 'no GPU and no lavapipe is there',
    'other software': 'there is nothing faster',
  }[classOf(adapter)];
}

const MiB = 2 ** 20;

/** The report in aligned columns for a terminal, without a trailing newline. */
export function formatDoctorReport(report: DoctorReport): string {
  const system = [
    ['platform', report.platform],
    ['node', report.node],
    ['glibc', report.glibc ?? 'none'],
    ['webgpu (Dawn)', report.webgpu ?? 'not installed'],
    ['Vulkan loader', report.hasVulkanLoader ? 'found' : 'not found'],
    ['Vulkan drivers', report.icds.join(', ') || 'none'],
    ['GPUs on the bus', report.gpuVendors.join(', ') || 'none'],
    ['cache folder', report.cacheFolder],
  ] as const;
  const adapters = report.adapters.map((adapter) => {
    const { limits } = adapter;
    return [
      `${adapter.wouldBeUsed ? '*' : ' '} ${adapter.name}`,
      columns([
        ['used', `${adapter.wouldBeUsed ? 'yes' : 'no'}: ${adapter.why}`],
        ['kind', `${adapter.kind}, through ${adapter.backend}, driver from ${adapter.source}`],
        ['driver', adapter.driver],
        ['features', adapter.features.join(', ') || 'none'],
        ['largest buffer', `${Math.floor(limits.maxBufferSize / MiB)} MiB`],
        ['largest binding', `${Math.floor(limits.maxStorageBufferBindingSize / MiB)} MiB`],
        ['storage buffers', `${limits.maxStorageBuffersPerShaderStage} per shader`],
        [
          'workgroup',
          `${limits.maxComputeInvocationsPerWorkgroup} invocations, ` +
            `${limits.maxComputeWorkgroupStorageSize / 1024} KiB of memory`,
        ],
      ]),
    ].join('\n');
  });
  const sections = [
    columns(system),
    adapters.length > 0 ? `Adapters (* is used)\n\n${adapters.join('\n\n')}` : 'Adapters\n\n  none',
  ];
  if (report.problems.length > 0) sections.push(`Problems\n\n${bullets(report.problems)}`);
  const advice = report.advice.length > 0 ? bullets(report.advice) : '  Nothing to do better.';
  sections.push(`Advice\n\n${advice}`);
  return sections.join('\n\n');
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n');
}

function bullets(lines: readonly string[]): string {
  return lines.map((line) => `  - ${line}`).join('\n');
}
