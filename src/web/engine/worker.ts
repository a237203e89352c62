import { expose } from 'comlink';
import type { BuiltIn } from '../storage/remote-model.ts';
import { createEngine } from './engine.ts';

/** Put in by the build. */
declare const BUILT_IN: Omit<BuiltIn, 'base'>;
declare const VERSION: string;

const base = new URL('models/demo/', self.location.href).href;

expose(createEngine({ builtIn: { ...BUILT_IN, base }, version: VERSION }));
