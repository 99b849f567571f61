import type { CheckConfig, CheckPath, HttpUrlConfig } from "../check.types.ts";
import type { RealServerConfig } from "../types.ts";
import type { ParsedHttp, ParsedServer, ParsedService, ParsedTcp } from "./parsed.ts";
import { buildTiming } from "./timing.ts";

/** The checkers of a real server. */

interface CheckContext {
  readonly endpoint: { readonly address: RealServerConfig["address"]; readonly port: number };
  readonly service: ParsedService;
}

export function buildChecks(server: ParsedServer, context: CheckContext): readonly CheckConfig[] {
  return writtenChecks(server).map((check) => buildCheck(check, server, context));
}

export type WrittenCheck =
  | { readonly kind: "HTTP_GET"; readonly parsed: ParsedHttp }
  | { readonly kind: "TCP_CHECK"; readonly parsed: ParsedTcp };

/** The rows of a block are kept by keyword; the text's order is restored, so that status lists checks as written. */
export function writtenChecks({ values }: ParsedServer): readonly WrittenCheck[] {
  const checks: WrittenCheck[] = [
    ...values.HTTP_GET.map((parsed) => ({ kind: "HTTP_GET", parsed }) as const),
    ...values.TCP_CHECK.map((parsed) => ({ kind: "TCP_CHECK", parsed }) as const),
  ];
  return checks.toSorted(({ parsed: a }, { parsed: b }) => a.at.line - b.at.line || a.at.column - b.at.column);
}

function buildCheck(check: WrittenCheck, server: ParsedServer, { endpoint, service }: CheckContext): CheckConfig {
  const { values } = check.parsed;
  const common = { ...buildPath(values, endpoint), timing: buildTiming([values], [server.values, service.values]) };
  if (check.kind === "TCP_CHECK") return { kind: "TCP_CHECK", ...common };
  return { kind: "HTTP_GET", ...common, urls: buildUrls(check.parsed.values) };
}

function buildPath(values: WrittenCheck["parsed"]["values"], endpoint: CheckContext["endpoint"]): CheckPath {
  return {
    connectIp: values.connect_ip?.value ?? endpoint.address,
    connectPort: values.connect_port?.value ?? endpoint.port,
    ...(values.bindto === undefined ? {} : { bindIp: values.bindto.value }),
  };
}

function buildUrls({ url: urls, virtualhost }: ParsedHttp["values"]): readonly HttpUrlConfig[] {
  return urls.flatMap(({ values: { path, status_code, virtualhost: own } }) => {
    if (path === undefined) return [];
    const host = (own ?? virtualhost)?.value;
    const virtualHost = host === undefined ? {} : { virtualHost: host };
    return [{ path: path.value, statusCodes: status_code.value, ...virtualHost }];
  });
}
