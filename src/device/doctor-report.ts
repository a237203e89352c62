import type { Caps } from '../core/caps.ts';
import type { SystemReport } from './doctor-system.ts';

export interface DoctorAdapter {
  readonly name: string;
  readonly driver: string;
  readonly backend: string;
  readonly kind: Caps['kind'];
  /** Where its driver comes from. */
  readonly source: 'system' | 'npm';
  /** Those the engine can use. */
  readonly features: readonly string[];
  readonly limits: Caps['limits'];
  readonly wouldBeUsed: boolean;
  readonly why: string;
}

export interface DoctorReport extends SystemReport {
  readonly adapters: readonly DoctorAdapter[];
  /** Why adapters could not be looked for, as far as they could not. */
  readonly problems: readonly string[];
  readonly advice: readonly string[];
}
