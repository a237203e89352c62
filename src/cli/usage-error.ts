import { InputError } from '../core/errors.ts';

/** A command line that says nothing the program can do; exit code 2. */
export class UsageError extends InputError {}
