import { POSTGRES_HOSTS, REST_PORT, SERVICE_PORT } from "./articleNetwork.ts";

/**
 * One of the article's services, checked once for all of its servers by the native checker.
 * @param patroni keywords of its block besides the port. @param timing keywords of the virtual server
 */
export function patroniService(address: string, patroni: readonly string[], timing: readonly string[] = []): string {
  const servers = POSTGRES_HOSTS.map(
    (server) => `  real_server ${server.address} ${SERVICE_PORT} {\n    weight 50\n  }\n`,
  );
  const own = ["lvs_method DR", "lvs_sched lc", "protocol TCP", "inhibit_on_failure", ...timing];
  const check = [`port ${REST_PORT}`, ...patroni];
  return (
    `virtual_server ${address} ${SERVICE_PORT} {\n${own.map((line) => `  ${line}\n`).join("")}` +
    `  patroni {\n${check.map((line) => `    ${line}\n`).join("")}  }\n${servers.join("")}}\n`
  );
}
