import { expect, it } from "vitest";
import { missingOptionalPackages } from "../../scripts/complete-lock.ts";

const locked = {
  "": {},
  "node_modules/tool": {
    version: "2.0.0",
    dev: true,
    optionalDependencies: {
      "@tool/linux-x64": "2.0.0",
      "@tool/linux-arm64-musl": "2.0.0",
      "@tool/darwin-arm64": "2.0.0",
    },
  },
  "node_modules/@tool/linux-x64": { version: "2.0.0" },
};

it("names the optional packages of other platforms that a lock lacks, for the platform they are made for", () => {
  expect(missingOptionalPackages({ packages: locked })).toEqual({
    "node_modules/@tool/linux-arm64-musl": {
      version: "2.0.0",
      cpu: ["arm64"],
      dev: true,
      libc: ["musl"],
      optional: true,
      os: ["linux"],
    },
    "node_modules/@tool/darwin-arm64": { version: "2.0.0", cpu: ["arm64"], dev: true, optional: true, os: ["darwin"] },
  });
});

it("finds nothing in a lock that is complete, wherever in the tree its packages lie", () => {
  const packages = { ...locked, ...missingOptionalPackages({ packages: locked }) };
  expect(missingOptionalPackages({ packages })).toEqual({});
  const nested = {
    "node_modules/tool": { version: "2.0.0", optionalDependencies: { extra: "1.0.0" } },
    "node_modules/tool/node_modules/extra": { version: "1.0.0" },
  };
  expect(missingOptionalPackages({ packages: nested })).toEqual({});
});
