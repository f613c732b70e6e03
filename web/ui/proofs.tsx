import type { View } from '../view.ts'
import { Icon } from './icon.tsx'

/** Proofs that tie a block to the chain; the others say that it is consistent in itself. */
const ANCHORS = new Set(['pow', 'checkpoint'])

const isAnchor = (proof: string) => ANCHORS.has(proof) || proof.startsWith('nodes:')

export function proofName(view: View, proof: string): string {
  return proofText(view, proof)?.name ?? proof
}

function proofText(view: View, proof: string): { name: string; meaning: string } | undefined {
  const { proofs } = view.text
  return Object.hasOwn(proofs.known, proof) ? proofs.known[proof as keyof typeof proofs.known] : undefined
}

/** What was proven about a block in one line; opened, what each of it means and what was not proven, with the reason. */
export function Proofs(props: {
  view: View
  proofs: readonly string[]
  unproven: readonly { proof: string; reason: string }[]
}) {
  const { view, proofs, unproven } = props
  const text = view.text.proofs
  const groups = [
    { title: text.integrity, proofs: proofs.filter(proof => !isAnchor(proof)) },
    { title: text.anchor, proofs: proofs.filter(isAnchor) },
  ].filter(group => group.proofs.length > 0)
  return (
    <details class="proofs">
      <summary>
        <span class="proven">
          <Icon shape={proofs.length > 0 ? 'check' : 'minus'} />
          {proofs.length > 0 ? text.proven : text.nothing}
        </span>{' '}
        {proofs.map(proof => (
          <span class="proof">{proofName(view, proof)}</span>
        ))}
        {unproven.length > 0 ? <span class="unproven">{text.notProven(unproven.length)}</span> : null}
      </summary>
      <div class="explained">
        {groups.map(group => (
          <section>
            <h3>{group.title}</h3>
            <dl>
              {group.proofs.map(proof => (
                <div>
                  <dt>
                    <Icon shape="check" />
                    {proofName(view, proof)}
                  </dt>
                  <dd>{proofText(view, proof)?.meaning ?? text.unexplained}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        {unproven.length > 0 ? (
          <section>
            <h3>{text.open}</h3>
            <dl>
              {unproven.map(({ proof, reason }) => (
                <div class="open">
                  <dt>
                    <Icon shape="minus" />
                    {proofName(view, proof)}
                  </dt>
                  <dd>{reason}</dd>
                </div>
              ))}
            </dl>
          </section>
        ) : null}
      </div>
    </details>
  )
}
