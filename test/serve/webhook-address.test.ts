import { expect, it } from "vitest";
import { refusalOfAddress, refusalOfWebhookUrl } from "../../src/serve/webhook-address.ts";

it.each(["8.8.8.8", "1.1.1.1", "172.32.0.1", "192.169.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])(
  "%s may be told",
  (address) => {
    expect(refusalOfAddress(address, false)).toBeUndefined();
  },
);

it.each([
  ...["127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"],
  ...["::1", "fd12::1", "::ffff:10.0.0.1", "::ffff:7f00:1"],
])("%s may be told only when the config allows private addresses", (address) => {
  expect(refusalOfAddress(address, false)).toContain("serve.webhook.allowPrivate");
  expect(refusalOfAddress(address, true)).toBeUndefined();
});

it.each([
  ...[
    "169.254.169.254",
    "169.254.170.2",
    "::ffff:169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "168.63.129.16",
  ],
  ...["100.100.100.200", "0.1.2.3", "192.0.2.1", "198.18.0.1", "203.0.113.7", "224.0.0.1", "255.255.255.255"],
  ...["2002:a00:1::1", "2001::1", "64:ff9b::a00:1", "::10.0.0.1", "ff02::1", "fec0::1", "localhost", ""],
])("%j is never told anything", (address) => {
  expect(refusalOfAddress(address, true)).toBeTypeOf("string");
});

it.each([
  ["http://127.0.0.1/", true],
  ["http://2130706433/", true],
  ["http://0x7f.1/", true],
  ["http://[::1]:8080/x", true],
  ["http://[::ffff:169.254.169.254]/latest", true],
  ["http://LOCALHOST./", true],
  ["http://a.localhost/", true],
  ["https://hooks.example.com/x", false],
])("of %s alone it is %s that it is refused, in whatever clothes an address comes", (url, isRefused) => {
  expect(refusalOfWebhookUrl(url, false) !== undefined).toBe(isRefused);
});
