// Checks that the workflows of fixtures/recipes are YAML and have what GitHub requires of a workflow.
// Exits 1 on any fault, and prints one line a file on success.

import { readdirSync, readFileSync } from 'node:fs';
import { load } from 'js-yaml';

const KEYS = ['name', 'on', 'permissions', 'jobs'];
const EVENTS = ['push', 'pull_request', 'schedule', 'workflow_dispatch'];
const STEP_KEYS = ['name', 'if', 'uses', 'with', 'run', 'env'];
// Those that are known to exist.
const ACTIONS = ['actions/checkout@v4', 'actions/upload-artifact@v4', 'dtolnay/rust-toolchain@stable'];

const folder = new URL('../../fixtures/recipes/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.yml'));
let faults = files.length === 0 ? ['there are no workflows'] : [];
for (const file of files) {
  const found = faultsOf(load(readFileSync(new URL(file, folder), 'utf8'), { filename: file }));
  faults.push(...found.map((fault) => `${file}: ${fault}`));
  if (found.length === 0) {
    console.log(`fixtures/recipes/${file} is a workflow`);
  }
}
for (const fault of faults) {
  console.error(fault);
  process.exitCode = 1;
}

function faultsOf(workflow) {
  const faults = unknown('workflow', workflow, KEYS);
  faults.push(...unknown('on', workflow?.on, EVENTS));
  const jobs = Object.entries(workflow?.jobs ?? {});
  if (jobs.length === 0) {
    faults.push('jobs: there are none');
  }
  for (const [name, job] of jobs) {
    if (typeof job?.['runs-on'] !== 'string') {
      faults.push(`jobs.${name}.runs-on: it has to be there`);
    }
    if (!Array.isArray(job?.steps) || job.steps.length === 0) {
      faults.push(`jobs.${name}.steps: there are none`);
      continue;
    }
    for (const [index, step] of job.steps.entries()) {
      faults.push(...faultsOfStep(`jobs.${name}.steps.${index}`, step));
    }
  }
  return faults;
}

function faultsOfStep(place, step) {
  const faults = unknown(place, step, STEP_KEYS);
  if ((typeof step?.uses === 'string') === (typeof step?.run === 'string')) {
    faults.push(`${place}: it needs one of uses and run`);
  }
  if (step?.uses !== undefined && !ACTIONS.includes(step.uses)) {
    faults.push(`${place}.uses: not known to exist: ${step.uses}`);
  }
  if (step?.with !== undefined && step.uses === undefined) {
    faults.push(`${place}.with: only for uses`);
  }
  return faults;
}

function unknown(place, value, keys) {
  if (value === null || typeof value !== 'object' || Object.keys(value).length === 0) {
    return [`${place}: not an object with anything in it`];
  }
  const others = Object.keys(value).filter((key) => !keys.includes(key));
  return others.map((key) => `${place}.${key}: not known`);
}
