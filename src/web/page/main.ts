import { createAskView } from './ask.ts';
import { element, messageOf } from './elements.ts';
import { connectEngine } from './engine-client.ts';
import { createKernelsView } from './kernels.ts';
import { createLabelsView } from './labels.ts';
import { showMissing } from './missing-webgpu.ts';
import { createModelPanel } from './model-panel.ts';
import { keepPage } from './offline.ts';
import { createStage } from './stage.ts';
import { createStorageView } from './storage.ts';
import { followAddress } from './views.ts';

async function start(): Promise<void> {
  const engine = connectEngine();
  try {
    const { adapterName, isSoftware } = await engine.openDevice();
    element('foot-device', HTMLElement).textContent = isSoftware
      ? `Runs on ${adapterName}: no GPU was found, so your processor computes, slowly.`
      : `Runs on ${adapterName}.`;
  } catch (error) {
    showMissing(messageOf(error), () => location.reload());
    return;
  }
  const stage = createStage(() => update());
  const panel = createModelPanel(engine, () => update());
  const ask = createAskView(engine, stage, panel);
  const labels = createLabelsView(engine, stage, panel);
  const storage = createStorageView(engine);
  const kernels = createKernelsView(engine);
  function update(): void {
    ask.update();
    labels.update();
  }
  followAddress((view) => {
    if (view === 'storage') void storage.refresh();
    if (view === 'kernels') void kernels.open();
  });
  await panel.load({ kind: 'built-in' });
}

keepPage();
void start();
