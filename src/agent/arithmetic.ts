// Evaluates an arithmetic expression, by recursive descent and without eval.
// Binds as in mathematics: `^` (to the right), then the sign, then `* / %`, then `+ -`; so `-2^2` is -4.

const SPELLINGS: Record<string, string> = { '×': '*', '·': '*', '÷': '/', '−': '-' }
const NUMBER = /(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?/iy

/**
 * The value of an expression of decimals, `+ - * / % ^` and parentheses, to 15 significant digits.
 * Throws an Error fit to show to whoever wrote the expression; positions in it count from 1.
 */
export function evaluate(expression: string): number {
  const text = expression.replace(/[×·÷−]/g, sign => SPELLINGS[sign] ?? sign)
  let at = 0

  const peek = (): string => {
    while (/\s/.test(text[at] ?? '')) at++
    return text[at] ?? ''
  }

  const unexpected = (wanted: string): Error =>
    new Error(
      peek() === ''
        ? `The expression ends too early: expected ${wanted} at position ${at + 1}.`
        : `Unexpected "${expression[at]}" at position ${at + 1}: expected ${wanted}.`,
    )

  const sum = (): number => {
    let value = product()
    for (let sign = peek(); sign === '+' || sign === '-'; sign = peek()) {
      at++
      value += sign === '+' ? product() : -product()
    }
    return value
  }

  const product = (): number => {
    let value = signed()
    for (let sign = peek(); sign === '*' || sign === '/' || sign === '%'; sign = peek()) {
      const position = ++at
      const right = signed()
      if (sign !== '*' && right === 0) throw new Error(`Division by zero at position ${position}.`)
      value = sign === '*' ? value * right : sign === '/' ? value / right : value % right
    }
    return value
  }

  const signed = (): number => {
    const sign = peek()
    if (sign !== '+' && sign !== '-') return power()
    at++
    return sign === '-' ? -signed() : signed()
  }

  const power = (): number => {
    const value = operand()
    if (peek() !== '^') return value
    at++
    return value ** signed()
  }

  const operand = (): number => {
    if (peek() === '(') {
      at++
      const value = sum()
      if (peek() !== ')') throw unexpected('")"')
      at++
      return value
    }
    NUMBER.lastIndex = at
    const [digits] = NUMBER.exec(text) ?? []
    if (digits === undefined) throw unexpected('a number or "("')
    at += digits.length
    return Number(digits)
  }

  const value = sum()
  if (peek() !== '') throw unexpected('an operator or the end')
  if (Number.isNaN(value)) throw new Error('The expression has no real value.')
  if (!Number.isFinite(value)) throw new Error('The value is too large for a number.')
  return Number(value.toPrecision(15))
}
