import type { Snippet } from './wgsl.ts';

/** Linear number of a workgroup spread over x and y; may run past the count, so the caller checks. */
export const workgroupIndex: Snippet = {
  name: 'workgroupIndex',
  code: `
    fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
      return id.y * count.x + id.x;
    }
  `,
};
