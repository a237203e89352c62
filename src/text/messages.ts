/** One turn of a conversation, as chat templates take it. */
export type Message = {
  readonly role: string;
  readonly content: string | readonly ContentPart[];
};

/** `image` is whatever the caller loads pictures from; templates only see that a picture stands here. */
export type ContentPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image'; readonly image?: unknown };

/** The pictures of a conversation, in the order in which their placeholders come. */
export const imagesOf = (messages: readonly Message[]): unknown[] =>
  messages.flatMap(({ content }) =>
    typeof content === 'string'
      ? []
      : content.filter((part) => part.type === 'image').map((part) => part.image),
  );
