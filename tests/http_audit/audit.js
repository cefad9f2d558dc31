// Runs every audit of the package graphql-http against the address that is given; exits 1 if one is not passed.
import { auditServer } from "graphql-http";

const url = process.argv[2];
const results = await auditServer({ url });
const failed = results.filter((result) => result.status !== "ok");
for (const { id, name, status, reason } of failed) {
  console.log(`${status} ${id} ${name}: ${reason}`);
}
console.log(`${results.length - failed.length} of ${results.length} ok`);
process.exit(failed.length === 0 && results.length >= 61 ? 0 : 1);
