// lint - what public linters say of the descriptions in schemas/.
//
//   node lint.mjs LINTERS FILE.json|FILE.yaml...      LINTERS: the folder that tests/install.sh made
//
// OpenAPI (.json) is read by Redocly's linter, AsyncAPI (.yaml) by AsyncAPI's own parser, Avro schemas that it refers
// to included. A line a finding, and the exit code is 1 if there is any. Nothing is fetched.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [folder, ...files] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${folder}/package.json`));

async function openapi(file) {
    const { createConfig, lint } = await import(pathToFileURL(require.resolve('@redocly/openapi-core')));
    const config = await createConfig({
        extends: ['recommended-strict'],
        // `not` and `anyOf` demand what their neighbour defines; test_descriptions.py looks at the names.
        rules: { 'no-required-schema-properties-undefined': 'off' },
    });
    const problems = await lint({ ref: file, config });
    return problems.map((one) => `${one.location?.[0]?.pointer} ${one.ruleId}: ${one.message}`);
}

async function asyncapi(file) {
    const { Parser, fromFile } = require('@asyncapi/parser');
    const { AvroSchemaParser } = require('@asyncapi/avro-schema-parser');
    const parser = new Parser();
    parser.registerSchemaParser(AvroSchemaParser());
    const { document, diagnostics } = await fromFile(parser, file).parse();
    const found = diagnostics.filter((one) => one.code !== 'asyncapi-latest-version'); // 3.0 is what tools read today
    if (!document && found.length === 0) throw new Error(`${file}: not read`);
    return found.map((one) => `${one.path.join('.')} ${one.code}: ${one.message}`);
}

let count = 0;
for (const file of files)
    for (const line of await (file.endsWith('.json') ? openapi : asyncapi)(file)) {
        console.log(`${file}: ${line}`);
        count++;
    }
process.exitCode = count > 0 ? 1 : 0;
