export const CHECKED_PORT = 8080;
const SERVERS_A_SERVICE = 50;

/** keepalived.conf with so many servers, each at an address of its own on the loopback device, each asked by HTTP once in every `delayLoopSec`. */
export function checkedServices(servers: number, delayLoopSec: number): string {
  return Array.from({ length: servers / SERVERS_A_SERVICE }, (_, service) => {
    const blocks = Array.from({ length: SERVERS_A_SERVICE }, (_unused, server) => {
      const address = `127.${service + 1}.${server + 1}.1`;
      return `  real_server ${address} ${CHECKED_PORT} {
    weight 1
    HTTP_GET {
      url {
        path /
        status_code 200
      }
      connect_timeout 1
    }
  }
`;
    }).join("");
    return `virtual_server 10.2.${service + 1}.1 ${CHECKED_PORT} {
  delay_loop ${delayLoopSec}
  lb_algo rr
  lb_kind DR
  protocol TCP
${blocks}}
`;
  }).join("");
}
