import { expose } from 'comlink';
import type { BuiltIn } from '../storage/remote-model.ts';
import { createEngine } from './engine.ts';

/** Put in by the build. */
declare const BUILT_IN: BuiltIn;
declare const VERSION: string;

expose(createEngine({ builtIn: BUILT_IN, version: VERSION }));
