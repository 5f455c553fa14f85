// What Node 18, which Debian 12 brings, has yet to learn of what oidc-provider asks of it.
import { register } from "node:module";
import * as crypto from "node:crypto";

globalThis.crypto ??= crypto.webcrypto;
URL.parse ??= (address, base) => (URL.canParse(address, base) ? new URL(address, base) : null);

const hash = "export const hash = (name, content, encoding) => createHash(name).update(content).digest(encoding ?? 'hex');";
const shim = `data:text/javascript,${encodeURIComponent(`import { createHash } from "node:crypto"; export * from "node:crypto"; ${hash}`)}`;
const hooks = `export function resolve(specifier, context, next) {
  const isAsked = specifier === "node:crypto" && !context.parentURL?.startsWith("data:");
  return isAsked ? { url: ${JSON.stringify(shim)}, shortCircuit: true } : next(specifier, context);
}`;
if (!crypto.hash) register(`data:text/javascript,${encodeURIComponent(hooks)}`);
