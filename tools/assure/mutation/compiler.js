'use strict'
// A compiler that stays: each line of input is a file with standard JSON, each line of output one with the answer.
// Sources that the input does not hold are read below the working folder.

const fs = require('fs')
const path = require('path')
const readline = require('readline')

const solc = require(path.join(__dirname, '..', '..', 'node_modules', 'solc'))

const read = name => {
  try { return { contents: fs.readFileSync(name, 'utf8') } } catch { return { error: 'File not found.' } }
}

readline.createInterface({ input: process.stdin }).on('line', line => {
  process.stdout.write(solc.compile(line, { import: read }).replace(/\n/g, '') + '\n')
})
