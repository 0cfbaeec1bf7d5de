import { describe, expect, it } from "vitest";
import { locate } from "../../src/config/location.ts";

const at = (...baseUrls: string[]) =>
  locate({ provider: "vllm", baseUrls, declared: undefined }, ["trusted.example"]).location;

describe("where a tier is", () => {
  it.each([
    "http://127.0.0.1:8000",
    "http://127.9.9.9",
    "http://[::1]:8000",
    "http://10.0.0.4:8000/v1",
    "http://172.16.0.1",
    "http://192.168.1.1",
    "http://[fd00::1]",
    "http://localhost:8000",
    "http://api.localhost",
    "https://TRUSTED.example./v1",
  ])("is local for %s", (url) => {
    expect(at(url)).toBe("local");
  });

  it.each([
    "http://8.8.8.8",
    "http://172.32.0.1",
    "http://[2001:4860:4860::8888]",
    "http://gpu.lan:8000",
    "http://localhost.example.net",
    "http://127.0.0.1.example.net",
    "http://134744072",
  ])("is the cloud for %s", (url) => {
    expect(at(url)).toBe("cloud");
  });

  it("is local only if every endpoint is", () => {
    expect(at("http://10.0.0.4", "http://10.0.0.5")).toBe("local");
    expect(at("http://10.0.0.4", "http://8.8.8.8")).toBe("cloud");
  });

  it("is what is declared where that can be true", () => {
    const lan = { provider: "vllm", baseUrls: ["http://gpu.lan"] } as const;
    expect(locate({ ...lan, declared: "local" }, [])).toEqual({ location: "local" });
    expect(locate({ ...lan, baseUrls: ["http://127.0.0.1"], declared: "cloud" }, [])).toEqual({ location: "cloud" });
  });

  it("is not local by declaration for a public address, unless the host is trusted", () => {
    const far = { provider: "vllm", baseUrls: ["http://8.8.8.8"], declared: "local" } as const;
    expect(locate(far, []).impossible).toContain("public address");
    expect(locate(far, ["8.8.8.8"])).toEqual({ location: "local" });
  });

  it("is never local for a program that asks a provider of its own choosing", () => {
    for (const provider of ["aichat", "claude-cli"] as const) {
      expect(locate({ provider, baseUrls: [], declared: undefined }, []).location).toBe("cloud");
      expect(locate({ provider, baseUrls: [], declared: "local" }, []).impossible).toContain(provider);
    }
  });
});
