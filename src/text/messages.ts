/** One turn of a conversation, as chat templates take it. */
export type Message = {
  readonly role: string;
  readonly content: string | readonly ContentPart[];
};

/** `image` and `video` are whatever the caller loads them from; templates only see that one stands here. */
export type ContentPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image'; readonly image?: unknown }
  | VideoPart;

export interface VideoPart {
  readonly type: 'video';
  readonly video?: unknown;
  /** Frames to take, spread evenly. Give this or `fps`; the checkpoint's own rule where neither is given. */
  readonly numFrames?: number;
  /** Frames to take of each second. */
  readonly fps?: number;
  /**
   * How the features of each `window` frames (all that are taken, where it is left out) become those of one, in models
   * of still pictures.
   */
  readonly pooling?: {
    readonly kind: 'mean' | 'max' | 'stride' | 'attention';
    readonly window?: number;
  };
}

export type MediaPart = Exclude<ContentPart, { readonly type: 'text' }>;

/** The pictures and videos of a conversation, in the order in which their placeholders come. */
export const mediaOf = (messages: readonly Message[]): MediaPart[] =>
  messages.flatMap(({ content }) =>
    typeof content === 'string' ? [] : content.filter((part) => part.type !== 'text'),
  );
