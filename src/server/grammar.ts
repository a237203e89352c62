import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { compileFunction } from 'node:vm';
import type * as XGrammar from '@mlc-ai/web-xgrammar';
import { UnsupportedError } from '../core/errors.ts';
import type { TokenConstraint, Vocabulary } from '../generate/batch/batch.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** What an answer may be: any JSON value that is an object or a list, or what a JSON schema says. */
export type AnswerFormat =
  | { readonly kind: 'json' }
  | { readonly kind: 'schema'; readonly schema: Readonly<Record<string, unknown>> };

/** Makes the constraints that keep answers to a grammar. */
export interface Grammars {
  /** Throws UnsupportedError where `@mlc-ai/web-xgrammar` is not installed, or cannot follow the schema. */
  constraint(format: AnswerFormat, vocabulary: Vocabulary): Promise<TokenConstraint>;
}

type Library = typeof XGrammar;

/** Grammars over the tokens of one model by XGrammar (Dong et al. 2024, arXiv 2411.15100), which is loaded with the first of them. */
export function createGrammars(): Grammars {
  let opened: Promise<{ readonly library: Library; readonly compiler: XGrammar.GrammarCompiler }> | undefined;
  const open = async (vocabulary: Vocabulary) => {
    const library = await loadLibrary();
    const compiler = await library.GrammarCompiler.createGrammarCompiler(
      await tokenizerInfo(library, vocabulary),
      // What schemas of clients compile to would pile up.
      false,
    );
    return { library, compiler };
  };

  const compiled = async (compiler: XGrammar.GrammarCompiler, format: AnswerFormat) => {
    if (format.kind === 'json') return compiler.compileBuiltinJSONGrammar();
    // White space as JSON.stringify writes it: a model that may write any writes it without end.
    return compiler.compileJSONSchema(JSON.stringify(format.schema), false, -1);
  };

  return {
    async constraint(format, vocabulary) {
      opened ??= open(vocabulary);
      const { library, compiler } = await opened;
      try {
        const grammar = await compiled(compiler, format);
        const matcher = await library.GrammarMatcher.createGrammarMatcher(grammar);
        let mask = await matcher.getNextTokenBitmask();
        let disposed = false;
        return {
          allowed: () => mask,
          async take(token) {
            if (!matcher.acceptToken(token) || matcher.isTerminated()) return;
            try {
              mask = await matcher.getNextTokenBitmask();
            } catch (error) {
              // The answer may have ended meanwhile.
              if (!disposed) throw error;
            }
          },
          dispose() {
            disposed = true;
            matcher.dispose();
            grammar.dispose();
          },
        };
      } catch (cause) {
        // The library aborts as a whole; what it leaves is not to be relied on.
        opened = undefined;
        throw new UnsupportedError(
          'response_format: the schema cannot be followed; expected types, properties, items, enum, const and anyOf.',
          { cause },
        );
      }
    },
  };
}

async function tokenizerInfo(
  library: Library,
  { tokenizer, size, eosTokenIds }: Vocabulary,
): Promise<XGrammar.TokenizerInfo> {
  // Special tokens, the places of pictures among them, are no text; the library passes over empty ones.
  const tokens = Array.from({ length: tokenizer.vocabSize }, (_, id) =>
    tokenizer.isSpecial(id) ? '' : (tokenizer.idToToken(id) ?? ''),
  );
  return library.TokenizerInfo.createTokenizerInfo(tokens, spellingOf(tokenizer), false, size, [
    ...eosTokenIds,
  ]);
}

/** How the vocabulary spells bytes: `<0x0A>`, `Ċ`, or not at all. */
function spellingOf(tokenizer: Tokenizer): string {
  if (tokenizer.tokenToId('<0x0A>') !== null) return 'byte_fallback';
  return tokenizer.tokenToId('Ċ') !== null ? 'byte_level' : 'raw';
}

/**
 * The package is for pages: it says that it is an ES module and is none, and in Node looks for a `require` that is not
 * there. Run as a function that sees a page and no process, it finds all it needs: its WebAssembly lies in the same file.
 */
async function loadLibrary(): Promise<Library> {
  const name = '@mlc-ai/web-xgrammar';
  let path: string;
  try {
    path = createRequire(import.meta.url).resolve(name);
  } catch (cause) {
    throw new UnsupportedError(
      `response_format: the package "${name}" is not installed. Run: npm install ${name}`,
      { cause },
    );
  }
  const exports = {};
  const parameters = ['exports', 'module', 'process', 'location', 'window', 'console'];
  const run = compileFunction(await readFile(path, 'utf8'), parameters, { filename: path });
  // It prints why it fails, with paths of the machine that built it.
  const silent = { log: () => {}, warn: () => {}, error: () => {}, info: () => {} };
  run(exports, { exports }, undefined, { href: 'file:///' }, {}, silent);
  return exports as Library;
}
