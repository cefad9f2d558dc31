// Posts events that Stripe's own library has signed to the address that is given; exits 1 if one is not answered as it
// should be. The second argument is the secret that the server knows.
import Stripe from "stripe";

const [url, secret] = process.argv.slice(2);
const stripe = new Stripe("sk_test_headers");
const now = Math.floor(Date.now() / 1000);
const event = (id, more = {}) => ({
  id,
  object: "event",
  type: "invoice.paid",
  created: now,
  livemode: false,
  data: { object: { id: "in_1", object: "invoice", customer: "cus_1" } },
  ...more,
});
const header = (payload, more = {}) => stripe.webhooks.generateTestHeaderString({ payload, secret, ...more });
const compact = JSON.stringify(event("evt_compact"));
const pretty = JSON.stringify(event("evt_pretty", { note: "é — 日本 😀" }), null, 2);
const live = JSON.stringify(event("evt_live", { livemode: true }));

const cases = [
  ["a compact body", compact, header(compact), 200],
  ["the same again", compact, header(compact), 200],
  ["an indented body that is not all ASCII", pretty, header(pretty), 200],
  ["signed four minutes ago", compact, header(compact, { timestamp: now - 240 }), 200],
  ["signed six minutes ago", compact, header(compact, { timestamp: now - 360 }), 400],
  ["signed six minutes ahead", compact, header(compact, { timestamp: now + 360 }), 400],
  ["signed with another secret", compact, header(compact, { secret: "whsec_other" }), 400],
  ["signed by another scheme", compact, header(compact, { scheme: "v0" }), 400],
  ["signed for another body", pretty, header(compact), 400],
  ["of live mode", live, header(live), 400],
];
let failed = 0;
for (const [name, body, signature, expected] of cases) {
  const headers = { "content-type": "application/json; charset=utf-8", "stripe-signature": signature };
  const { status } = await fetch(url, { method: "POST", headers, body });
  if (status !== expected) {
    failed += 1;
    console.log(`${name}: ${status}, expected ${expected}`);
  }
}
console.log(`${cases.length - failed} of ${cases.length} answered as they should be`);
process.exit(failed === 0 ? 0 : 1);
