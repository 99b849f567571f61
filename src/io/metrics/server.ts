import { createServer, type Server } from "node:http";
import { HoldfastError } from "../../core/errors.ts";
import { METRICS_CONTENT_TYPE } from "./render.ts";

/** Scrapers ask every few seconds, one at a time; more than this is a mistake that must not cost us anything. */
const CONNECTIONS_MAX = 16;
const REQUEST_TIMEOUT_MS = 5_000;

export interface MetricsServer {
  /** The port that was taken, where 0 was asked for. */
  readonly port: number;
  /** Cuts what is open. */
  close(): Promise<void>;
}

/**
 * Answers `GET /metrics`. `address` is `IPV4:PORT` or `[IPV6]:PORT`. Rejects with HoldfastError `metricsAddress` for
 * anything else, `metricsListen` when it cannot listen there.
 */
export function serveMetrics(address: string, render: () => Promise<string>): Promise<MetricsServer> {
  const at = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(address);
  const host = at?.[1] ?? at?.[2];
  const port = Number(at?.[3]);
  if (host === undefined || port > 65_535) {
    const words = `--metrics-listen ${address} is no address with a port`;
    return Promise.reject(new HoldfastError("metricsAddress", words, "write 127.0.0.1:9112 or [::1]:9112"));
  }
  const server = createServer({
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: REQUEST_TIMEOUT_MS,
    // Node looks for connections that are silent only every 30 s otherwise.
    connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.on("request", (request, response) => {
    if (request.url !== "/metrics") {
      response.writeHead(404).end("only /metrics is here\n");
    } else if (request.method !== "GET") {
      response.writeHead(405, { allow: "GET" }).end();
    } else {
      render().then(
        (text) => response.writeHead(200, { "content-type": METRICS_CONTENT_TYPE }).end(text),
        (error) => response.writeHead(503).end(`${error instanceof Error ? error.message : String(error)}\n`),
      );
    }
  });
  return listen(server, host, port, address);
}

function listen(server: Server, host: string, port: number, address: string): Promise<MetricsServer> {
  return new Promise((resolve, reject) => {
    // For good: a connection that cannot be accepted later must not end the daemon.
    server.on("error", (cause) =>
      reject(
        new HoldfastError("metricsListen", `cannot listen on ${address} for metrics: ${cause.message}`, undefined, {
          cause,
        }),
      ),
    );
    server.listen(port, host, () => {
      const taken = server.address();
      resolve({
        port: typeof taken === "object" && taken !== null ? taken.port : port,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      });
    });
  });
}
