import type { CheckTlsConfig, HttpCheckConfig, HttpRegexConfig, HttpUrlConfig } from "../check.types.ts";
import { NO_REGEX_OPTIONS, translateRegex } from "../keywords/checkers/regex.ts";
import type { CheckContext, WrittenCheck } from "./checks.ts";
import type { ParsedHttp, ParsedSsl } from "./parsed.ts";

/** HTTP_GET and SSL_GET. What is not written is absent. */

type WrittenHttp = Extract<WrittenCheck, { readonly kind: "HTTP_GET" | "SSL_GET" }>;
type UrlValues = ParsedHttp["values"]["url"][number]["values"];

export function buildHttp(
  check: WrittenHttp,
  context: CheckContext,
): Pick<HttpCheckConfig, "urls" | "httpProtocol" | "tls"> {
  const { http_protocol } = check.parsed.values;
  return {
    urls: buildUrls(check.parsed.values, context),
    ...(http_protocol.value === "1.1" ? {} : { httpProtocol: http_protocol.value }),
    ...(check.kind === "SSL_GET" ? { tls: buildTls(check.parsed, context.file) } : {}),
  };
}

function buildUrls(
  { url: urls, virtualhost }: ParsedHttp["values"],
  { server, service }: CheckContext,
): readonly HttpUrlConfig[] {
  const outer = virtualhost ?? server.values.virtualhost ?? service.values.virtualhost;
  return urls.flatMap(({ values }) => {
    const { path, status_code, digest } = values;
    if (path === undefined) return [];
    const host = (values.virtualhost ?? outer)?.value;
    const regex = buildRegex(values);
    return [
      {
        path: path.value,
        statusCodes: status_code.value,
        ...(host === undefined ? {} : { virtualHost: host }),
        ...(digest === undefined ? {} : { digest: digest.value }),
        ...(regex === undefined ? {} : { regex }),
      },
    ];
  });
}

function buildRegex(values: UrlValues): HttpRegexConfig | undefined {
  const { regex, regex_options, regex_no_match, regex_min_offset, regex_max_offset } = values;
  if (regex === undefined) return undefined;
  const options = regex_options?.value ?? NO_REGEX_OPTIONS;
  return {
    written: regex.value,
    source: translateRegex(regex.value, options),
    flags: options.flags,
    noMatch: regex_no_match !== undefined,
    minOffset: regex_min_offset.value,
    maxOffset: regex_max_offset?.value,
  };
}

/** keepalived.conf(5), "Parameters used for SSL_GET check"; the last block's word counts. */
function buildTls({ values }: ParsedSsl, { SSL: blocks }: CheckContext["file"]): CheckTlsConfig {
  const files = Object.assign(
    {},
    ...blocks.map(({ values: { ca, certificate, key, password } }) =>
      Object.fromEntries(
        Object.entries({ ca, certificate, key, password }).flatMap(([name, written]) =>
          written === undefined ? [] : [[name, written.value]],
        ),
      ),
    ),
  ) as Omit<CheckTlsConfig, "sendServerName">;
  return { sendServerName: values.enable_sni.value, ...files };
}
