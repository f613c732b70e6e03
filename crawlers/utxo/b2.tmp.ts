import { createSHA256 } from 'hash-wasm'
import { doubleSha256 } from './hashing.ts'
const h = await createSHA256()
function time(name: string, f: () => unknown) {
  for (let i=0;i<5;i++) f()
  const all: number[] = []
  for (let i=0;i<15;i++) { const a = process.cpuUsage(); f(); const b = process.cpuUsage(a); all.push((b.user+b.system)/1000) }
  all.sort((a,b)=>a-b); console.log(name, all[7]!.toFixed(2), 'min', all[0]!.toFixed(2))
}
for (const n of [64, 250, 500, 1000, 4000]) {
const b64 = Buffer.alloc(n, 7)
time(n+' crypto', () => { for (let i=0;i<5000;i++) doubleSha256(b64) })
time(n+' wasm', () => { for (let i=0;i<5000;i++) { h.init(); h.update(b64); const d = h.digest('binary'); h.init(); h.update(d); h.digest('binary') } })
}
