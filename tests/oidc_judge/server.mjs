// The npm package oidc-provider at /oidc, with exactly Replit's paths: /auth, /token, /me, /jwks, /session/end.
// Usage: node server.mjs <client id> <address of LUX>; prints its own address. Whoever types a login is that person.
import { createServer } from "node:http";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import "./older_node.mjs";

const { default: Provider } = await import("oidc-provider");

const [clientId, lux] = process.argv.slice(2);
const ACCESS_TOKEN_SECONDS = 5;

function configuration() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    clients: [
      {
        client_id: clientId,
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        redirect_uris: [`${lux}/auth/replit_auth/authorized`],
        post_logout_redirect_uris: [`${lux}/`],
      },
    ],
    claims: {
      openid: ["sub"],
      email: ["email", "email_verified"],
      profile: ["username", "first_name", "last_name", "profile_image_url"],
    },
    scopes: ["openid", "offline_access", "email", "profile"],
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    ttl: { AccessToken: ACCESS_TOKEN_SECONDS, IdToken: 3600, Grant: 3600, Session: 3600, Interaction: 600, RefreshToken: 3600 },
    cookies: { keys: [randomBytes(16).toString("hex")] },
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: randomBytes(8).toString("hex"), use: "sig", alg: "RS256" }] },
    findAccount: (_context, login) => ({
      accountId: login,
      claims: () => ({
        sub: login,
        email: `person${login}@lumen.example`,
        email_verified: true,
        username: `person${login}`,
        first_name: "Ada",
        last_name: null,
      }),
    }),
  };
}

const server = createServer();
server.listen(0, "localhost", () => {
  const origin = `http://localhost:${server.address().port}`;
  const provider = new Provider(`${origin}/oidc`, configuration());
  const counts = { refresh_token: 0, authorization_code: 0, ended: 0 };
  provider.on("grant.success", (context) => (counts[context.oidc.params.grant_type] += 1));
  provider.on("end_session.success", () => (counts.ended += 1));
  const answer = provider.callback();
  server.on("request", (request, response) => {
    const { pathname, searchParams } = new URL(request.url, origin);
    if (pathname === "/counts") {
      response.setHeader("Content-Type", "application/json").end(JSON.stringify(counts));
    } else if (pathname === "/frame") {
      // Replit's workspace shows the app in a frame: so does this page.
      response.setHeader("Content-Type", "text/html");
      response.end(`<!doctype html><title>Workspace</title><iframe src="${encodeURI(searchParams.get("show"))}" width="800" height="600"></iframe>`);
    } else if (pathname.startsWith("/oidc/")) {
      request.originalUrl = request.url;
      request.url = request.url.slice("/oidc".length);
      answer(request, response);
    } else {
      response.writeHead(404).end();
    }
  });
  console.log(origin);
});
