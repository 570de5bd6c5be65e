'use strict'
// The command line of solc, as far as py-solc-x, Ape, forge and slither use it, over npm's
// WebAssembly build. Output is never followed by process.exit(): a pipe would be cut at 64 KiB.

const fs = require('fs')
const path = require('path')

const MODULES = path.join(__dirname, '..', 'node_modules')
const SOLC = path.join(MODULES, 'solc')
const SELECTORS = {
  abi: ['abi'],
  ast: ['ast'],
  asm: ['evm.legacyAssembly'],
  bin: ['evm.bytecode.object'],
  'bin-runtime': ['evm.deployedBytecode.object'],
  devdoc: ['devdoc'],
  'function-debug': ['evm.bytecode.functionDebugData'],
  'function-debug-runtime': ['evm.deployedBytecode.functionDebugData'],
  'generated-sources': ['evm.bytecode.generatedSources'],
  'generated-sources-runtime': ['evm.deployedBytecode.generatedSources'],
  hashes: ['evm.methodIdentifiers'],
  metadata: ['metadata'],
  opcodes: ['evm.bytecode.opcodes'],
  srcmap: ['evm.bytecode.sourceMap'],
  'srcmap-runtime': ['evm.deployedBytecode.sourceMap'],
  'storage-layout': ['storageLayout'],
  userdoc: ['userdoc']
}

class Usage extends Error {}

function parseArguments (argv) {
  const found = { base: null, include: [], allow: [], remappings: [], files: [] }
  const values = {
    '--base-path': v => { found.base = v },
    '--include-path': v => { found.include.push(v) },
    '--allow-paths': v => { found.allow.push(...v.split(',').filter(Boolean)) },
    '--combined-json': v => { found.combined = v.split(',') },
    '--optimize-runs': v => { found.runs = Number(v); found.optimize = true },
    '--evm-version': v => { found.evmVersion = v }
  }
  const flags = ['--version', '--help', '--standard-json', '--optimize', '--via-ir']
  for (let i = 0; i < argv.length; i++) {
    const [flag, inline] = argv[i].startsWith('--') ? split(argv[i]) : [argv[i], undefined]
    if (values[flag]) {
      const value = inline ?? argv[++i]
      if (value === undefined) throw new Usage(`the required argument for option '${flag}' is missing`)
      values[flag](value)
    } else if (flags.includes(flag) && inline === undefined) {
      found[flag.slice(2)] = true
    } else if (flag.startsWith('-') && flag !== '-') {
      throw new Usage(`unrecognised option '${flag}'`)
    } else if (flag.includes('=')) {
      found.remappings.push(flag)
    } else {
      found.files.push(flag)
    }
  }
  return found
}

function split (argument) {
  const at = argument.indexOf('=')
  return at < 0 ? [argument, undefined] : [argument.slice(0, at), argument.slice(at + 1)]
}

const compiler = () => require(SOLC)
const longVersion = () => compiler().version().replace('Emscripten.clang', 'Linux.g++')

/** The version line; loading the compiler takes half a second, so the answer is kept. */
function version () {
  const packaged = JSON.parse(fs.readFileSync(path.join(SOLC, 'package.json'), 'utf8')).version
  const size = fs.statSync(path.join(SOLC, 'soljson.js')).size
  const kept = path.join(MODULES, '.cache', `solc-version-${packaged}-${size}`)
  try {
    const text = fs.readFileSync(kept, 'utf8')
    if (text.startsWith(`${packaged}+commit.`) && text.endsWith('\n')) return text.trim()
  } catch { /* not kept yet */ }
  const answer = longVersion()
  try {
    fs.mkdirSync(path.dirname(kept), { recursive: true })
    fs.writeFileSync(`${kept}.${process.pid}`, `${answer}\n`)
    fs.renameSync(`${kept}.${process.pid}`, kept)
  } catch { /* a read-only checkout works too, slower */ }
  return answer
}

/** Reads an import: as it stands, below the base path, then below each include path. */
function reader ({ base, include, allow }, inputs = []) {
  const bases = [base ?? process.cwd(), ...include]
  const folders = [...bases, ...allow, ...inputs.map(f => path.dirname(f))].map(real).filter(Boolean)
  const within = file => folders.some(folder => {
    const inside = path.relative(folder, file)
    return inside === '' || (inside.split(path.sep)[0] !== '..' && !path.isAbsolute(inside))
  })
  return name => {
    let outside = false
    for (const candidate of [name, ...bases.map(b => path.join(b, name))]) {
      const file = real(candidate)
      if (!file || !fs.statSync(file).isFile()) continue
      if (within(file)) return { contents: fs.readFileSync(file, 'utf8') }
      outside = true
    }
    return { error: outside ? 'File outside of allowed directories.' : 'File not found.' }
  }
}

function real (name) {
  try { return fs.realpathSync(name) } catch { return null }
}

const standardJson = (input, options) =>
  compiler().compile(input, { import: reader(options) })

/** A file's name as a source unit: below the base path or an include path, else as it was given. */
function unitName (file, { base, include }) {
  for (const folder of [base ?? process.cwd(), ...include].map(real).filter(Boolean)) {
    const inside = path.relative(folder, real(file))
    if (inside.split(path.sep)[0] !== '..' && !path.isAbsolute(inside)) return inside
  }
  return file
}

function combinedInput (options) {
  const sources = {}
  for (const file of options.files) {
    if (file === '-') {
      sources['<stdin>'] = { content: fs.readFileSync(0, 'utf8') }
    } else if (real(file)) {
      sources[unitName(file, options)] = { content: fs.readFileSync(file, 'utf8') }
    } else {
      throw new Usage(`"${file}" is not found.`)
    }
  }
  const outputs = options.combined.flatMap(name => {
    if (!SELECTORS[name]) throw new Usage(`invalid option to --combined-json: ${name}`)
    return SELECTORS[name]
  })
  const settings = {
    optimizer: { enabled: Boolean(options.optimize), runs: options.runs ?? 200 },
    remappings: options.remappings,
    outputSelection: {
      '*': { '*': outputs.filter(o => o !== 'ast'), '': outputs.filter(o => o === 'ast') }
    }
  }
  if (options.evmVersion) settings.evmVersion = options.evmVersion
  if (options['via-ir']) settings.viaIR = true
  return { language: 'Solidity', sources, settings }
}

function combinedJson (options) {
  const inputs = options.files.filter(f => f !== '-')
  const answer = JSON.parse(compiler().compile(
    JSON.stringify(combinedInput(options)), { import: reader(options, inputs) }))
  const messages = answer.errors ?? []
  process.stderr.write(messages.map(m => m.formattedMessage).join('\n'))
  if (messages.some(m => m.severity === 'error')) return null
  const contracts = {}
  for (const [file, named] of Object.entries(answer.contracts ?? {})) {
    for (const [name, contract] of Object.entries(named)) {
      contracts[`${file}:${name}`] = combinedContract(contract, options.combined)
    }
  }
  const files = Object.entries(answer.sources).sort(([, a], [, b]) => a.id - b.id)
  const sources = Object.fromEntries(files.map(([file, s]) => [file, { AST: s.ast, id: s.id }]))
  return JSON.stringify(
    { contracts, sourceList: files.map(([file]) => file), sources, version: longVersion() })
}

function combinedContract (contract, wanted) {
  const answer = {}
  for (const name of wanted.filter(n => n !== 'ast')) {
    const value = SELECTORS[name][0].split('.').reduce((part, key) => part?.[key], contract)
    if (value === undefined) continue
    // As solc itself prints them: ABI and the documents as JSON, the metadata as text.
    answer[name] = name === 'metadata' && typeof value !== 'string' ? JSON.stringify(value) : value
  }
  return answer
}

function help () {
  return ['solc, the Solidity commandline compiler.', '', 'Allowed options:',
    '  --help  --version  --standard-json  --optimize  --optimize-runs n  --via-ir',
    '  --evm-version name  --base-path path  --include-path path  --allow-paths path(s)',
    `  --combined-json ${Object.keys(SELECTORS).join(',')}`, ''].join('\n')
}

function answer (argv) {
  const options = parseArguments(argv)
  if (options.help) return help()
  if (options.version) {
    return `solc, the solidity compiler commandline interface\nVersion: ${version()}\n`
  }
  if (options['standard-json']) {
    const file = options.files.find(f => f !== '-')
    return standardJson(fs.readFileSync(file ?? 0, 'utf8'), options) + '\n'
  }
  if (options.combined && options.files.length) {
    const text = combinedJson(options)
    return text === null ? null : text + '\n'
  }
  throw new Usage('nothing to do: give --standard-json, or --combined-json with file names')
}

try {
  const text = answer(process.argv.slice(2))
  if (text === null) process.exitCode = 1
  else process.stdout.write(text)
} catch (error) {
  process.stderr.write(`${error instanceof Usage ? error.message : error.stack}\n`)
  process.exitCode = 1
}
