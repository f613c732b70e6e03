import * as A from './test/sql-attacks.ts'
const g='http://127.0.0.1:28123'
const run=async(s:string)=>{const r=await fetch(g,{method:'POST',body:s.replaceAll('{dir}','/tmp/gw/data')}); const t=await r.text(); return [r.headers.get('x-clickhouse-exception-code'), r.status, t.slice(0,160).replaceAll('\n',' ')] as const}
for (const s of A.NOT_READING){const r=await run(s); if(r[0]!=='164') console.log('NR',s,r)}
for (const s of A.SETTINGS){const r=await run(s); if(r[0]!=="164"||!r[2].includes("Leave the SETT")) console.log("SE",s,r)}
for (const s of A.FORBIDDEN_NAMES){const r=await run(s); if(r[0]!=='497'||!r[2].includes('is not allowed')) console.log('FN',s,r)}
for (const [c,l] of Object.entries(A.REFUSED_BY_THE_STORE)) for (const s of l){const r=await run(s); if(r[0]!==c) console.log('RS',c,s,r)}
for (const s of A.HARMLESS){const r=await run(s); if(r[1]!==200) console.log('H',s,r)}
