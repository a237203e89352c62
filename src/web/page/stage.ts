import { colourOf, cssColour } from '../../look/colour-scale.ts';
import type { HeatMap } from '../../look/heat-map.ts';
import type { Medium } from '../protocol.ts';
import { create, element, showError } from './elements.ts';
import { drawHeat } from './heat-overlay.ts';

/** The picture or video that is asked about, with what is laid over it. */
export interface Stage {
  medium(): Medium | null;
  /** Lays maps over the picture; none takes them away. */
  showHeat(maps: readonly HeatMap[] | undefined, text: string): void;
}

const SCALE_STEPS = 24;

/** Pictures of the built-in model's kind, served beside the page. */
const SAMPLES: readonly (readonly [file: string, alt: string])[] = [
  ['scene.png', 'A carrot and a strawberry'],
  ['scene-01.png', 'A robot and a ghost'],
  ['scene-03.png', 'A tiger and a duck'],
  ['scene-04.png', 'A panda and a cow'],
  ['scene-05.png', 'A pig and a turtle'],
  ['scene-07.png', 'A pizza and a duck'],
  ['scene-10.png', 'Tomatoes and a bus'],
];

const isVideo = ({ type, name }: File): boolean =>
  type.startsWith('video/') || /\.(mkv|mov|mp4|webm)$/i.test(name);

export function createStage(onChange: () => void): Stage {
  const picture = element('picture', HTMLImageElement);
  const video = element('video', HTMLVideoElement);
  const heat = element('heat', SVGSVGElement);
  const frame = element('frame', HTMLElement);
  const errorLine = element('stage-error', HTMLElement);
  const legend = element('heat-legend', HTMLElement);
  let medium: Medium | null = null;
  element('heat-scale', HTMLElement).replaceChildren(
    ...Array.from({ length: SCALE_STEPS }, (_, i) => {
      const step = create('span');
      step.style.background = cssColour(colourOf(i / (SCALE_STEPS - 1)));
      return step;
    }),
  );
  const setAspect = (width: number, height: number): void =>
    frame.style.setProperty('--aspect', String(width / height || 1));
  picture.addEventListener('load', () => setAspect(picture.naturalWidth, picture.naturalHeight));
  video.addEventListener('loadedmetadata', () => setAspect(video.videoWidth, video.videoHeight));

  const showHeat: Stage['showHeat'] = (maps, text) => {
    frame.classList.toggle('heated', maps !== undefined);
    if (maps) drawHeat(heat, maps);
    else heat.replaceChildren();
    legend.hidden = text === '';
    legend.classList.toggle('without-scale', maps === undefined);
    element('heat-text', HTMLElement).textContent = text;
  };

  const show = (file: File, alt: string): void => {
    const isClip = isVideo(file);
    if (!isClip && !file.type.startsWith('image/')) {
      showError(
        errorLine,
        new Error(
          `${file.name} is neither a picture nor a video; expected PNG, JPEG, WebP, GIF, MP4 or WebM.`,
        ),
      );
      return;
    }
    showError(errorLine, undefined);
    showHeat(undefined, '');
    medium = { kind: isClip ? 'video' : 'picture', blob: file };
    const shown = isClip ? video : picture;
    URL.revokeObjectURL(shown.src);
    shown.src = URL.createObjectURL(file);
    picture.alt = alt;
    [picture.hidden, video.hidden] = [isClip, !isClip];
    if (!isClip) video.pause();
    element('drop', HTMLElement).classList.add('filled');
    element('drop-hint', HTMLElement).hidden = true;
    onChange();
  };

  const take = (files: Iterable<File>): void => {
    const [file] = files;
    if (!file) return;
    for (const sample of document.querySelectorAll('#samples button'))
      sample.setAttribute('aria-pressed', 'false');
    show(file, `Your picture, ${file.name || 'pasted'}`);
  };
  for (const id of ['file', 'camera']) {
    const input = element(id, HTMLInputElement);
    input.addEventListener('change', () => {
      take(input.files ?? []);
      // So that the same file can be chosen again.
      input.value = '';
    });
  }
  acceptDrops(take);
  addEventListener('paste', (event) => take(event.clipboardData?.files ?? []));
  offerSamples(show, errorLine);
  return { medium: () => medium, showHeat };
}

function acceptDrops(take: (files: Iterable<File>) => void): void {
  const zone = element('drop', HTMLElement);
  // Anywhere on the page: a file that misses would otherwise replace the page.
  addEventListener('dragover', (event) => {
    event.preventDefault();
    zone.classList.add('dragged-over');
  });
  for (const type of ['dragleave', 'drop', 'dragend']) {
    addEventListener(type, () => zone.classList.remove('dragged-over'));
  }
  addEventListener('drop', (event) => {
    event.preventDefault();
    take(event.dataTransfer?.files ?? []);
  });
}

function offerSamples(show: (file: File, alt: string) => void, errorLine: HTMLElement): void {
  const samples = element('samples', HTMLElement);
  const buttons = SAMPLES.map(([file, alt]) => {
    const address = `examples/${file}`;
    const image = create('img', { src: address, alt: '', width: '64', height: '64' });
    const button = create(
      'button',
      { type: 'button', 'aria-pressed': 'false', 'aria-label': alt, title: alt },
      image,
    );
    const choose = async (): Promise<void> => {
      const response = await fetch(address);
      if (!response.ok) throw new Error(`${file} can’t be fetched: the server answered ${response.status}.`);
      for (const other of buttons) other.setAttribute('aria-pressed', String(other === button));
      show(new File([await response.blob()], file, { type: 'image/png' }), alt);
    };
    button.addEventListener(
      'click',
      () => void choose().catch((error: unknown) => showError(errorLine, error)),
    );
    return button;
  });
  samples.replaceChildren(...buttons);
  buttons[0]?.click();
}
