import { readFileSync } from 'node:fs';

/** What the reference implementation answers about an example picture, greedily. */
export interface ExpectedAnswer {
  readonly question: string;
  readonly answer: string;
  readonly promptIds: readonly number[];
  readonly answerIds: readonly number[];
}

interface Scene {
  readonly image: string;
  readonly questions: readonly ExpectedAnswer[];
}

/** Throws where examples/expected.json has no such question about `image` (`scene-02.png`). */
export function expectedAnswer(image: string, question: string): ExpectedAnswer {
  const scenes = JSON.parse(readFileSync('examples/expected.json', 'utf8')) as readonly Scene[];
  const scene = scenes.find((candidate) => candidate.image === image);
  const answer = scene?.questions.find((candidate) => candidate.question === question);
  if (!answer) throw new Error(`examples/expected.json has no "${question}" about ${image}`);
  return answer;
}
