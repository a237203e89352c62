import { describe, expect, test } from 'vitest';
import { type Command, defineCommand } from '../../src/cli/command.ts';
import { parseCommandLine } from '../../src/cli/parse-command-line.ts';
import { nearestName } from '../../src/core/nearest.ts';

const command: Command = defineCommand({
  name: 'paint',
  operands: { usage: 'FILE...', min: 1, max: 2 },
  options: {
    fast: { kind: 'flag', help: '' },
    colour: { kind: 'text', value: 'NAME', help: '' },
    tag: { kind: 'texts', value: 'TAG', help: '' },
    mode: { kind: 'choice', choices: ['flat', 'deep'], help: '' },
    size: { kind: 'integer', value: 'N', min: 1, max: 9, help: '' },
    scale: { kind: 'number', value: 'X', min: -2, help: '' },
  },
  examples: [],
  run: async () => 0,
});

const parse = (...args: string[]) => parseCommandLine(command, args);

describe('parseCommandLine', () => {
  test('gives every option a value, given or not', () => {
    expect(parse('a.png')).toEqual({
      help: false,
      operands: ['a.png'],
      options: {
        fast: false,
        colour: undefined,
        tag: [],
        mode: undefined,
        size: undefined,
        scale: undefined,
      },
    });
  });

  test('reads options before, between and after operands', () => {
    const { options, operands } = parse(
      ...['--fast', 'a', '--colour', 'red', '--tag', 'x', '-', '--tag=y', '--mode=deep', '--size', '3'],
      ...['--scale', '-1.5'],
    );
    expect(operands).toEqual(['a', '-']);
    expect(options).toEqual({
      fast: true,
      colour: 'red',
      tag: ['x', 'y'],
      mode: 'deep',
      size: 3,
      scale: -1.5,
    });
  });

  test('takes what follows -- as operands', () => {
    expect(parse('--', '--fast').operands).toEqual(['--fast']);
  });

  test('takes an option-like value behind =', () => {
    expect(parse('a', '--colour=--red').options.colour).toBe('--red');
  });

  test('asks for help whatever else is wrong with the operands', () => {
    expect(parse('--help').help).toBe(true);
    expect(parse('-h').help).toBe(true);
  });

  test.each([
    [['a', '--colur', 'red'], 'paint has no option --colur. Did you mean --colour?'],
    [['a', '--zebra'], 'paint has no option --zebra. See: tessera paint --help'],
    [['a', '-x'], 'paint has no option -x.'],
    [['a', '--fast=yes'], '--fast takes no value; got "yes".'],
    [['a', '--colour'], '--colour needs a value: NAME.'],
    [['a', '--colour', '--fast'], '--colour needs a value: NAME.'],
    [['a', '--mode', 'high'], '--mode is "high"; expected one of flat, deep.'],
    [['a', '--size', '0'], '--size is "0"; expected an integer from 1 to 9.'],
    [['a', '--size', '2.5'], '--size is "2.5"; expected an integer from 1 to 9.'],
    [['a', '--size', ''], '--size is ""; expected an integer from 1 to 9.'],
    [['a', '--scale', '-3'], '--scale is "-3"; expected a number of at least -2.'],
    [['a', '--scale', 'Infinity'], '--scale is "Infinity"; expected a number of at least -2.'],
    [[], 'paint needs FILE.... See: tessera paint --help'],
    [['a', 'b', 'c'], 'paint takes FILE...; "c" is too much.'],
  ])('refuses %j', (args, message) => {
    expect(() => parse(...args)).toThrow(message);
  });
});

test.each([
  ['descibe', 'describe'],
  ['inspct', 'inspect'],
  ['doc', 'doctor'],
  ['xyz', undefined],
  ['de', undefined],
])('the nearest name to %j is %j', (typed, expected) => {
  expect(nearestName(typed, ['describe', 'chat', 'inspect', 'verify', 'doctor'])).toBe(expected);
});
