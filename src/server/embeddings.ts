import type { ContrastiveModel } from '../embed/contrastive-model.ts';
import { ApiError } from './api-error.ts';
import { checkModel } from './chat.ts';
import { openPicture, type PictureLimits } from './open-picture.ts';
import { readBody } from './read-body.ts';
import type { RequestRecord } from './request-record.ts';
import { embeddingRequest } from './schema.ts';

export interface EmbeddingService {
  readonly name: string;
  readonly model: ContrastiveModel;
  readonly pictures: PictureLimits;
  readonly maxInputs: number;
  readonly maxBodyBytes: number;
}

type Input = { readonly text: string } | { readonly url: string };

/** Answers POST /v1/embeddings: texts and pictures as unit vectors in one space. Throws ApiError. */
export async function answerEmbeddings(
  service: EmbeddingService,
  request: Request,
  record: RequestRecord,
): Promise<Response> {
  const body = await readBody(request, embeddingRequest, service.maxBodyBytes);
  checkModel(body.model, service.name);
  const { model, maxInputs } = service;
  if (typeof body.dimensions === 'number' && body.dimensions !== model.embeddingSize) {
    throw new ApiError(400, `dimensions: is ${body.dimensions}; expected ${model.embeddingSize}.`, {
      param: 'dimensions',
    });
  }
  const inputs = (typeof body.input === 'string' ? [body.input] : body.input).map(
    (input): Input =>
      typeof input === 'string'
        ? { text: input }
        : input.type === 'text'
          ? input
          : { url: input.image_url.url },
  );
  if (inputs.length > maxInputs) {
    throw new ApiError(400, `input: holds ${inputs.length}; expected at most ${maxInputs}.`, {
      param: 'input',
    });
  }
  const vectors = await embedInputs(service, inputs, record.signal);
  const encode = body.encoding_format === 'base64' ? base64Of : (vector: Float32Array) => [...vector];
  return Response.json({
    object: 'list',
    data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: encode(vector) })),
    model: service.name,
    // Not counted: the towers pad every text to one length.
    usage: { prompt_tokens: 0, total_tokens: 0 },
  });
}

/** All texts in batches; pictures one by one, so that few are in memory. */
async function embedInputs(
  { model, pictures }: EmbeddingService,
  inputs: readonly Input[],
  signal: AbortSignal,
): Promise<Float32Array[]> {
  const texts = inputs.flatMap((input) => ('text' in input ? [input.text] : []));
  const ofTexts = (await model.embedText(texts, { signal })).values();
  const vectors: Float32Array[] = [];
  for (const [i, input] of inputs.entries()) {
    if ('text' in input) vectors.push(ofTexts.next().value ?? new Float32Array());
    else {
      const picture = await openPicture(input.url, pictures, `input.${i}.image_url.url`, signal);
      vectors.push(await model.embedImage(picture, { signal }));
    }
  }
  return vectors;
}

/** Little-endian f32, as the API's clients ask for unless told otherwise. */
const base64Of = (vector: Float32Array): string =>
  Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64');
