// The store process: the ClickHouse inside the chdb library, serving its own HTTP interface on loopback.
// Its command-line entry is exported, its listener is an upstream feature of clickhouse-local; neither is promised to
// embedders, so the version is pinned and test/store-process.test.ts holds the contract. The last query waits for the
// end of standard input: the process lives exactly as long as whoever started it.
const { open, load, DataType } = require('ffi-rs')

const [, , dataDirectory, port, configFile] = process.argv
const boot =
  "SYSTEM START LISTEN HTTP; SELECT count() FROM file('-', 'LineAsString', 'line String') FORMAT Null"
const argv = [
  'clickhouse',
  `--config-file=${configFile}`,
  `--path=${dataDirectory}`,
  `--http_port=${port}`,
  '--listen_host=127.0.0.1',
  `--query=${boot}`,
]
open({ library: 'chdb', path: process.env.LIBCHDB })
load({
  library: 'chdb',
  funcName: 'chdb_query_cmdline',
  retType: DataType.External,
  paramsType: [DataType.I32, DataType.StringArray],
  paramsValue: [argv.length, argv],
})
process.exit(0)
