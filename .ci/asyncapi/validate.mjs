// Validates spec/asyncapi.json with the official AsyncAPI parser and the payload schemas with a JSON Schema 2020-12 validator.
// The parser resolves the schemas, but leaves the check of a format that it does not know to a schema parser of the caller.
// Exits 1 on any error or warning, and prints one line of totals on success.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fromFile, Parser } from '@asyncapi/parser';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const SCHEMA_FORMAT = 'application/schema+json;version=draft-2020-12';
const SEVERITIES = ['error', 'warning', 'information', 'hint'];

const documentPath = fileURLToPath(new URL('../../spec/asyncapi.json', import.meta.url));
const schemaFolder = new URL('../../spec/schema/', import.meta.url);

const { document, diagnostics } = await fromFile(new Parser(), documentPath).parse();
const found = diagnostics.map(({ severity, path, message }) => ({ severity, path: path.join('.'), message }));
found.push(...checkPayloads(JSON.parse(readFileSync(documentPath, 'utf8'))));

for (const [severity, name] of SEVERITIES.entries()) {
  for (const { path, message } of found.filter((one) => one.severity === severity)) {
    console.error(`${name}: ${path || '(document)'}: ${message}`);
  }
}

if (document === undefined || found.some(({ severity }) => severity <= 1)) {
  process.exitCode = 1;
} else {
  const operations = document.operations().all().length;
  const messages = document.allMessages().all().length;
  console.log(`spec/asyncapi.json is valid: ${operations} operations, ${messages} messages`);
}

// Every multi-format schema of the document has to be a reference to a file that compiles as JSON Schema 2020-12.
function checkPayloads(source) {
  const ajv = new Ajv2020({ allErrors: true, strictSchema: true, strictTypes: false, strictRequired: false });
  addFormats(ajv);
  const ids = new Map();
  const faults = [];
  const fault = (path, message) => faults.push({ severity: 0, path, message });

  for (const file of readdirSync(schemaFolder).filter((name) => name.endsWith('.json'))) {
    try {
      const schema = JSON.parse(readFileSync(new URL(file, schemaFolder), 'utf8'));
      ajv.addSchema(schema);
      ids.set(`./schema/${file}`, schema.$id);
    } catch (error) {
      fault(`schema/${file}`, error.message);
    }
  }

  const { messages = {}, schemas = {} } = source.components ?? {};
  const holders = [
    ...Object.entries(messages).map(([key, message]) => [`components.messages.${key}.payload`, message.payload]),
    ...Object.entries(schemas).map(([key, schema]) => [`components.schemas.${key}`, schema]),
  ];
  for (const [path, holder] of holders) {
    const id = ids.get(holder?.schema?.$ref);
    if (holder?.schemaFormat !== SCHEMA_FORMAT) {
      fault(path, `schemaFormat is not ${SCHEMA_FORMAT}`);
    } else if (id === undefined) {
      fault(path, 'schema is not a reference to a valid file of spec/schema');
    } else {
      try {
        ajv.getSchema(id);
      } catch (error) {
        fault(path, error.message);
      }
    }
  }
  return faults;
}
