// Writes the committed artifacts from forge's output, or with --check compares them.
const fs = require('fs');
const path = require('path');
const { createHash } = require('crypto');

const contracts = ['PurrVault', 'TestUSDC'];
const check = process.argv.includes('--check');
let stale = 0;

for (const name of contracts) {
  const built = JSON.parse(fs.readFileSync(path.join(__dirname, 'out', `${name}.sol`, `${name}.json`), 'utf8'));
  const runtime = Buffer.from(built.deployedBytecode.object.slice(2), 'hex');
  // EIP-170: no chain takes more.
  if (runtime.length > 24576) throw new Error(`${name} is ${runtime.length} bytes, more than EIP-170's 24576`);
  const artifact = {
    contractName: name,
    abi: built.abi,
    bytecode: built.bytecode.object,
    deployedBytecodeHash: `0x${createHash('sha256').update(runtime).digest('hex')}`,
  };
  const text = `${JSON.stringify(artifact, null, 1)}\n`;
  const file = path.join(__dirname, 'abi', `${name}.json`);
  if (check) {
    if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== text) {
      console.error(`error: abi/${name}.json is out of date: run chain-signer/contracts/build.sh`);
      stale += 1;
    }
  } else {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
    console.log(`abi/${name}.json: ${runtime.length} bytes of code`);
  }
}
process.exit(stale ? 1 : 0);
