// House rules that a linter can hold. What it cannot hold is in test/architecture.cjs (direction of
// imports) and scripts/check-house.mjs (names and words).
import js from '@eslint/js'
import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'

const houseRules = {
  eqeqeq: ['error', 'always'],
  'no-console': 'error',
  'no-var': 'error',
  'object-shorthand': 'error',
  'prefer-const': 'error',
  'max-lines-per-function': ['warn', { max: 60, skipBlankLines: true, skipComments: true }],
  'no-restricted-syntax': [
    'error',
    { selector: 'ExportDefaultDeclaration', message: 'Named exports only' },
    { selector: 'TSEnumDeclaration', message: 'Use a union of string literals' },
  ],
}

const typedRules = {
  '@typescript-eslint/consistent-type-imports': 'error',
  '@typescript-eslint/consistent-type-exports': 'error',
  '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
  '@typescript-eslint/switch-exhaustiveness-check': [
    'error',
    { considerDefaultExhaustiveForUnions: true },
  ],
  '@typescript-eslint/no-unused-vars': [
    'error',
    { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
  ],
}

// tap gives every test a promise that the runner itself awaits, and asserts on `unknown`.
const testRules = {
  '@typescript-eslint/no-floating-promises': [
    'error',
    {
      allowForKnownSafeCalls: [
        { from: 'package', package: '@tapjs/core', name: ['test', 'rejects', 'resolves'] },
      ],
      allowForKnownSafePromises: [
        { from: 'package', package: '@tapjs/core', name: ['PromiseWithSubtest', 'TapPromise'] },
      ],
    },
  ],
  '@typescript-eslint/no-confusing-void-expression': 'off',
  '@typescript-eslint/require-await': 'off',
  '@typescript-eslint/no-non-null-assertion': 'error',
  'max-lines-per-function': 'off',
}

export default defineConfig(
  {
    ignores: [
      'dist/',
      'build/',
      'coverage/',
      'node_modules/',
      '.tap/',
      'bench/results/',
      'test/**/fixtures/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['src/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { project: ['./test/tsconfig.json'], tsconfigRootDir: import.meta.dirname },
    },
    rules: { ...houseRules, ...typedRules },
  },
  { files: ['test/**/*.ts', 'bench/**/*.ts'], rules: testRules },
  // The benchmark and the commands talk to a person.
  { files: ['bench/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['**/*.js', '**/*.mjs', '**/*.cjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        Buffer: 'readonly',
        URL: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
        performance: 'readonly',
        fetch: 'readonly',
        module: 'readonly',
        require: 'readonly',
      },
    },
    rules: { ...houseRules, 'no-console': 'off' },
  },
  { files: ['eslint.config.js'], rules: { 'no-restricted-syntax': 'off' } },
)
