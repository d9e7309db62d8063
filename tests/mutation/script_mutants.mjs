/* Small wrong changes of a script (JavaScript or TypeScript) that a test should notice.

   node script_mutants.mjs <file>: prints a list of {start, end, line, kind, before, after,
   place, text}; `start` and `end` count characters. The syntax is read by TypeScript. */

import { readFileSync } from "node:fs";
import ts from "../node/node_modules/typescript/lib/typescript.js";

const K = ts.SyntaxKind;
const SWAPS = new Map([[K.LessThanToken, "<="], [K.LessThanEqualsToken, "<"], [K.GreaterThanToken, ">="],
  [K.GreaterThanEqualsToken, ">"], [K.EqualsEqualsEqualsToken, "!=="], [K.ExclamationEqualsEqualsToken, "==="],
  [K.AmpersandAmpersandToken, "||"], [K.BarBarToken, "&&"], [K.QuestionQuestionToken, "&&"],
  [K.PlusToken, "-"], [K.MinusToken, "+"], [K.AsteriskToken, "+"], [K.SlashToken, "*"], [K.PercentToken, "+"],
  [K.PlusEqualsToken, "-="], [K.MinusEqualsToken, "+="], [K.BarBarEqualsToken, "="], [K.QuestionQuestionEqualsToken, "="]]);
const LARGE = 10; // a number above it is a bound or a time
const file = process.argv[2];
const source = readFileSync(file, "utf8");
const lines = source.split("\n");
const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
const found = [];

function add(kind, node, after, places) {
  const start = node.getStart(tree), end = node.getEnd();
  const { line } = tree.getLineAndCharacterOfPosition(start);
  found.push({ start, end, line: line + 1, kind, before: source.slice(start, end), after,
    place: places.join(".") || "module", text: lines[line].trim() });
}

/* What says nothing of what the script does: types, imports, names that are given. */
const isLeftOut = node => ts.isTypeNode(node) || ts.isImportDeclaration(node)
  || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node);

function number(node, places) {
  const value = Number(node.text.replaceAll("_", ""));
  if (Number.isInteger(value)) add("number", node, String(Math.abs(value) > LARGE ? value * 10 : value + 1), places);
}

function look(node, places) {
  if (ts.isBinaryExpression(node) && SWAPS.has(node.operatorToken.kind)) {
    add("operator", node.operatorToken, SWAPS.get(node.operatorToken.kind), places);
  } else if (ts.isPrefixUnaryExpression(node) && node.operator === K.ExclamationToken) {
    add("not", node, source.slice(node.operand.getStart(tree), node.operand.getEnd()), places);
  } else if (ts.isNumericLiteral(node)) number(node, places);
  else if (ts.isBigIntLiteral(node)) add("number", node, `${BigInt(node.text.slice(0, -1)) + 1n}n`, places);
  else if (node.kind === K.TrueKeyword) add("truth", node, "false", places);
  else if (node.kind === K.FalseKeyword) add("truth", node, "true", places);
  else if (ts.isIfStatement(node)) {
    add("condition", node.expression, `!(${node.expression.getText(tree)})`, places);
  } else if (ts.isConditionalExpression(node)) {
    add("condition", node.condition, `!(${node.condition.getText(tree)})`, places);
  } else if (ts.isReturnStatement(node) && node.expression) add("return", node, "return undefined;", places);
  else if (ts.isExpressionStatement(node)) add("statement", node, ";", places);
  else if (ts.isStringLiteral(node) && (ts.isArrayLiteralExpression(node.parent) || ts.isBinaryExpression(node.parent))) {
    add("word", node, '"another"', places);
  }
}

function walk(node, places) {
  if (isLeftOut(node)) return;
  look(node, places);
  const name = node.name?.getText?.(tree);
  const isPlace = ts.isFunctionLike(node) || ts.isClassDeclaration(node) || ts.isVariableDeclaration(node);
  const inner = isPlace && name && /^[#\w]+$/.test(name) ? [...places, name] : places;
  ts.forEachChild(node, child => walk(child, inner));
}

walk(tree, []);
process.stdout.write(JSON.stringify(found));
