import assert from 'node:assert/strict'
import { test } from 'node:test'
import { evaluate } from '../../src/agent/arithmetic.ts'

const VALUES: [expression: string, value: number][] = [
  ['1 + 2 * 3', 7],
  ['(1 + 2) * 3', 9],
  ['10 - 4 - 3', 3],
  ['7 % 4 * 2', 6],
  ['2 ^ 3 ^ 2', 512],
  ['-2 ^ 2', -4],
  ['2 ^ -1', 0.5],
  ['2 * -3', -6],
  ['--4', 4],
  ['0.1 + 0.2', 0.3],
  ['.5 + 1.', 1.5],
  ['1e3 / 8', 125],
  ['6 × 7 ÷ 2 − 1', 20],
  [' 42 ', 42],
]

for (const [expression, value] of VALUES) {
  test(`${expression} is ${value}`, () => assert.equal(evaluate(expression), value))
}

const FAULTS: [expression: string, message: string][] = [
  ['', 'The expression ends too early: expected a number or "(" at position 1.'],
  ['2 +', 'The expression ends too early: expected a number or "(" at position 4.'],
  ['(1 + 2', 'The expression ends too early: expected ")" at position 7.'],
  ['2 +* 3', 'Unexpected "*" at position 4: expected a number or "(".'],
  ['2 3', 'Unexpected "3" at position 3: expected an operator or the end.'],
  ['1,000 * 2', 'Unexpected "," at position 2: expected an operator or the end.'],
  ['process.exit()', 'Unexpected "p" at position 1: expected a number or "(".'],
  ['1 / (2 - 2)', 'Division by zero at position 3.'],
  ['5 % 0', 'Division by zero at position 3.'],
  ['(-8) ^ 0.5', 'The expression has no real value.'],
  ['10 ^ 400', 'The value is too large for a number.'],
]

for (const [expression, message] of FAULTS) {
  test(`"${expression}" is refused: ${message}`, () => {
    assert.throws(() => evaluate(expression), { message })
  })
}
