import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openKafkaLog } from '../deploy/kafka/log.ts'
import { silent } from './harness.ts'
import { describeKafka, startKafka, type TestKafka, whyNoKafka } from './kafka.ts'
import { blocks, readAll, text, values } from './log-contract.ts'

const run = promisify(execFile)
const PASSWORD = 'only-of-this-test'

describeKafka('log: Kafka with TLS and SASL', await whyNoKafka(), () => {
  let kafka: TestKafka
  let directory: string
  const ca = () => join(directory, 'ca.pem')

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'wanlian-tls-'))
    const store = join(directory, 'broker.p12')
    const common = ['-alias', 'broker', '-keystore', store, '-storepass', PASSWORD, '-storetype', 'PKCS12']
    const names = ['-dname', 'CN=broker', '-ext', 'san=ip:127.0.0.1', '-validity', '2']
    await run('keytool', ['-genkeypair', '-keyalg', 'RSA', ...common, ...names])
    await writeFile(ca(), (await run('keytool', ['-exportcert', '-rfc', ...common])).stdout)
    const users = `username="broker" password="${PASSWORD}" user_broker="${PASSWORD}" user_wanlian="${PASSWORD}"`
    kafka = await startKafka({
      properties: {
        listeners: 'GUARDED://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}',
        'advertised.listeners': 'GUARDED://127.0.0.1:{port}',
        'listener.security.protocol.map': 'GUARDED:SASL_SSL,CONTROLLER:PLAINTEXT',
        'inter.broker.listener.name': 'GUARDED',
        'sasl.enabled.mechanisms': 'PLAIN',
        'sasl.mechanism.inter.broker.protocol': 'PLAIN',
        'listener.name.guarded.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${users};`,
        'ssl.keystore.type': 'PKCS12',
        'ssl.keystore.location': store,
        'ssl.keystore.password': PASSWORD,
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.location': ca(),
      },
    })
  })
  afterAll(async () => {
    await kafka?.close()
    await rm(directory, { recursive: true, force: true })
  })

  test('who has the certificate and the password is let in, who has not is told which of them', async () => {
    const sasl = { mechanism: 'plain', username: 'wanlian', password: PASSWORD } as const
    const settings = kafka.settings({ tls: { ca: ca() }, sasl })
    const log = await openKafkaLog(settings, { logger: silent })
    await log.ensureTopics([{ topic: 'blocks.test', partitions: 1 }])
    await log.append(blocks, values(0, 3))
    const all = await readAll(log, blocks)
    expect(text(all)).toEqual(values(0, 3).map(String))
    await log.commit(blocks, 'g', all[1]!.offset)
    expect(await log.committed(blocks, 'g')).toBe(all[1]!.offset)
    await log.close()

    const open = (changes: object) => openKafkaLog({ ...settings, ...changes }, { logger: silent })
    const wrong = { ...sasl, password: 'another' }
    await expect(open({ sasl: wrong })).rejects.toMatchObject({ code: 'CONFIG' })
    await expect(open({ tls: true })).rejects.toThrow(/certificate/)
    await expect(open({ tls: { ca: join(directory, 'none.pem') } })).rejects.toThrow(/expected a PEM file/)
  })
})
