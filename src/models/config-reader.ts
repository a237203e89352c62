import { ConfigError } from '../core/errors.ts';

/** A parsed JSON object and the words to call it by in errors, e.g. `config.json: text_config`. */
export interface ConfigReader {
  readonly where: string;
  /** The object as it was parsed. */
  readonly json: Readonly<Record<string, unknown>>;
  has(field: string): boolean;
  /** Positive integer. A missing field takes `fallback`, or is an error where there is none. */
  count(field: string, fallback?: number): number;
  /** Any integer. */
  integer(field: string, fallback?: number): number;
  /** Finite number. */
  number(field: string, fallback?: number): number;
  boolean(field: string, fallback?: boolean): boolean;
  string(field: string, fallback?: string): string;
  /** One of `choices`. */
  choice<T extends string>(field: string, choices: readonly T[], fallback?: T): T;
  /** An integer or a list of integers, as a list. */
  integers(field: string, fallback?: readonly number[]): readonly number[];
  strings(field: string): readonly string[];
  /** The field as it is, for the caller to check. */
  value(field: string): unknown;
  object(field: string): ConfigReader;
  objects(field: string): readonly ConfigReader[];
  /** undefined where the field is absent or null. */
  optionalObject(field: string): ConfigReader | undefined;
}

/**
 * Reads fields of a checkpoint's JSON with their types checked.
 * A fallback is only ever the reference implementation's documented default.
 * Throws ConfigError naming file, field, expected and found.
 */
export function readConfig(json: unknown, where: string): ConfigReader {
  if (!isObject(json)) throw new ConfigError(`${where}: is ${describe(json)}; expected a JSON object.`);

  function read<T>(
    field: string,
    expected: string,
    check: (value: unknown) => T | undefined,
    fallback?: T,
  ): T {
    const value = isObject(json) && Object.hasOwn(json, field) ? json[field] : undefined;
    if (value === undefined || value === null) {
      if (fallback !== undefined) return fallback;
      throw new ConfigError(
        `${where}: "${field}" is missing; expected ${expected}. Is this a complete Hugging Face checkpoint?`,
      );
    }
    const checked = check(value);
    if (checked === undefined)
      throw new ConfigError(`${where}: "${field}" is ${describe(value)}; expected ${expected}.`);
    return checked;
  }

  const numberIf = (test: (n: number) => boolean) => (value: unknown) =>
    typeof value === 'number' && test(value) ? value : undefined;
  const isNull = (field: string): boolean => !Object.hasOwn(json, field) || json[field] === null;

  const reader: ConfigReader = {
    where,
    json,
    has: (field) => !isNull(field),
    count: (field, fallback) =>
      read(
        field,
        'a positive integer',
        numberIf((n) => Number.isSafeInteger(n) && n > 0),
        fallback,
      ),
    integer: (field, fallback) => read(field, 'an integer', numberIf(Number.isSafeInteger), fallback),
    number: (field, fallback) => read(field, 'a number', numberIf(Number.isFinite), fallback),
    boolean: (field, fallback) =>
      read(field, 'true or false', (v) => (typeof v === 'boolean' ? v : undefined), fallback),
    string: (field, fallback) =>
      read(field, 'a string', (v) => (typeof v === 'string' ? v : undefined), fallback),
    choice: (field, choices, fallback) =>
      read(
        field,
        `one of ${choices.map((c) => `"${c}"`).join(', ')}`,
        (v) => choices.find((c) => c === v),
        fallback,
      ),
    integers: (field, fallback) => read(field, 'an integer or a list of integers', integerList, fallback),
    strings: (field) =>
      read(
        field,
        'a list of strings',
        (v) => listOf(v, (item) => typeof item === 'string') as string[] | undefined,
      ),
    value: (field) => json[field],
    objects: (field) =>
      read(field, 'a list of objects', (v) => listOf(v, isObject)).map((item, i) =>
        readConfig(item, `${where}: ${field}[${i}]`),
      ),
    object: (field) =>
      readConfig(
        read(field, 'an object', (v) => (isObject(v) ? v : undefined)),
        `${where}: ${field}`,
      ),
    optionalObject: (field) => (isNull(field) ? undefined : reader.object(field)),
  };
  return reader;
}

/** The reader with `defaults` in place of fields that are absent or null. */
export function withDefaults(
  reader: ConfigReader,
  defaults: Readonly<Record<string, unknown>>,
): ConfigReader {
  const given = Object.entries(reader.json).filter(([, value]) => value !== null && value !== undefined);
  return readConfig({ ...defaults, ...Object.fromEntries(given) }, reader.where);
}

function integerList(value: unknown): readonly number[] | undefined {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const integers = list.filter((v): v is number => Number.isSafeInteger(v));
  return list.length > 0 && integers.length === list.length ? integers : undefined;
}

const listOf = (value: unknown, test: (item: unknown) => boolean): readonly unknown[] | undefined =>
  Array.isArray(value) && value.every(test) ? value : undefined;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const describe = (value: unknown): string => (JSON.stringify(value) ?? String(value)).slice(0, 80);
