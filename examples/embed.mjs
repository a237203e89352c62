// A picture into words: npm install tessera-vlm webgpu sharp, then: node embed.mjs photo.jpg (or deno run -A, or bun)
import { loadModel } from 'tessera-vlm';

const [picture = 'scene.png', prompt = 'Describe the image.'] = process.argv.slice(2);
const model = await loadModel(); // the built-in model; else a checkpoint's folder or address
for await (const piece of model.generate({ prompt, images: [picture], greedy: true })) {
  process.stdout.write(piece);
}
process.stdout.write('\n');
model.dispose();
