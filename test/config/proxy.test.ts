import { describe, expect, it } from "vitest";
import { proxyFor } from "../../src/config/proxy.ts";

const proxies = { HTTPS_PROXY: "http://secure.proxy:3128", HTTP_PROXY: "http://plain.proxy:3128" };
const proxyOf = (url: string, environment: Record<string, string>) => proxyFor(new URL(url), environment)?.host;

describe("the proxy of a URL", () => {
  it("is the one for its scheme, and none without one", () => {
    expect(proxyOf("https://api.openai.com/v1", proxies)).toBe("secure.proxy:3128");
    expect(proxyOf("http://gateway.example.com", proxies)).toBe("plain.proxy:3128");
    expect(proxyOf("https://api.openai.com", { HTTP_PROXY: "http://plain.proxy:3128" })).toBeUndefined();
    expect(proxyOf("https://api.openai.com", { HTTPS_PROXY: "" })).toBeUndefined();
  });

  it("may be named in small letters, which go first, and without its scheme", () => {
    expect(proxyOf("https://api.openai.com", { ...proxies, https_proxy: "small.proxy:8080" })).toBe("small.proxy:8080");
  });

  it.each([
    ["api.openai.com", true],
    ["openai.com", true],
    [".openai.com", true],
    ["*.openai.com", true],
    ["OpenAI.com", true],
    ["example.com, api.openai.com", true],
    ["example.com api.openai.com:443", true],
    ["*", true],
    ["api.openai.com:8443", false],
    ["penai.com", false],
    ["api.openai.com.example.com", false],
    ["", false],
  ])("is none for a host that NO_PROXY names: %j", (noProxy, exempt) => {
    for (const name of ["NO_PROXY", "no_proxy"]) {
      const expected = exempt ? undefined : "secure.proxy:3128";
      expect(proxyOf("https://api.openai.com/v1", { ...proxies, [name]: noProxy })).toBe(expected);
    }
  });

  it.each([
    ["https://10.1.2.3", "10.0.0.0/8", true],
    ["https://10.1.2.3", "10.1.2.3", true],
    ["https://10.1.2.3", "10.2.0.0/16", false],
    ["https://10.1.2.3", "2.3", false],
    ["https://10.1.2.3", "10.0.0.0/99", false],
    ["https://[fd00::5]:8443", "fd00::/8", true],
    ["https://[fd00::5]:8443", "[fd00::5]:8443", true],
    ["https://[fd00::5]:8443", "[fd00::5]:443", false],
  ])("knows addresses and ranges of them: %s and %j", (url, noProxy, exempt) => {
    expect(proxyOf(url, { ...proxies, NO_PROXY: noProxy })).toBe(exempt ? undefined : "secure.proxy:3128");
  });

  it.each([
    "https://localhost:8443",
    "https://127.0.0.1",
    "https://127.8.8.8",
    "https://[::1]:1",
    "https://a.localhost",
  ])("is none for what listens on this machine: %s", (url) => {
    expect(proxyOf(url, proxies)).toBeUndefined();
  });

  it.each(["socks5://me:secret@proxy:1080", "http://me:secret@:port", "://"])(
    "is refused when it is none, without a word of it: %s",
    (value) => {
      const find = () => proxyOf("https://api.openai.com", { HTTPS_PROXY: value });
      expect(find).toThrow(/^HTTPS_PROXY must be the URL of an HTTP proxy.*NO_PROXY$/);
      expect(find).not.toThrow(/secret/);
    },
  );
});
