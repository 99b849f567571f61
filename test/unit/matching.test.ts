import fc from "fast-check";
import { expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { serviceId } from "../../src/plan/keys.ts";
import { match } from "../../src/plan/matching.ts";
import type { DesiredService, ServiceKey } from "../../src/plan/types.ts";
import { PLAIN_SERVICE } from "../lab/ipvsDefaults.ts";

const service = (key: ServiceKey): DesiredService => ({
  key,
  ...PLAIN_SERVICE,
  exclusive: false,
  destinations: [],
});
/** Each differs from another one in one field. */
const pool = (
  [
    { protocol: "TCP", address: ip("192.0.2.1"), port: 80 },
    { protocol: "UDP", address: ip("192.0.2.1"), port: 80 },
    { protocol: "TCP", address: ip("192.0.2.2"), port: 80 },
    { protocol: "TCP", address: ip("192.0.2.1"), port: 81 },
    { protocol: "FWM", mark: 1, family: 4 },
    { protocol: "FWM", mark: 2, family: 4 },
    { protocol: "FWM", mark: 1, family: 6 },
  ] satisfies ServiceKey[]
).map(service);
const some = fc.shuffledSubarray(pool);
const idOf = ({ key }: { readonly key: ServiceKey }): string => serviceId(key);

test("every wanted service meets what the table has of its name, whatever the order; the same object is left out", () => {
  fc.assert(
    fc.property(
      some,
      some,
      fc.array(fc.boolean(), { minLength: pool.length, maxLength: pool.length }),
      (desired, has, copied) => {
        const table = has.map((each, place) => (copied[place] === true ? structuredClone(each) : each));
        const foreign = table.splice(table.length >> 1);
        const all = new Map([...table, ...foreign].map((each) => [idOf(each), each]));
        const { wanted, found, unwanted } = match(desired, table, foreign);
        const expected = desired.filter((each) => all.get(idOf(each)) !== each);
        expect(new Set(wanted)).toEqual(new Set(expected));
        expect(found).toHaveLength(wanted.length);
        for (const [place, each] of wanted.entries()) expect(found[place]).toBe(all.get(idOf(each)));
        const names = new Set(desired.map(idOf));
        expect(new Set(unwanted)).toEqual(new Set([...all.values()].filter((each) => !names.has(idOf(each)))));
      },
    ),
    { numRuns: 1_000 },
  );
});
