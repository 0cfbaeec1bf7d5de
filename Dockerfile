# promptfleet as a container: `docker build -t promptfleet .`; docker-compose.yml runs it with a Redis.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No install scripts: the packages that have some are optional, or bring a Node that is here already.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/setup scripts/setup
COPY workers workers
COPY src src
# What compiles stays out although a package names it as a peer that it can do without; so do types and source maps, which
# are nearly half of the packages.
RUN bash scripts/setup/build \
  && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
  && rm -rf node_modules/.cache node_modules/typescript node_modules/@typescript \
  && find node_modules -type f \( -name '*.map' -o -name '*.d.*ts' \) -delete

FROM node:24-slim
LABEL org.opencontainers.image.title="promptfleet" org.opencontainers.image.licenses="MIT"
WORKDIR /app
ENV NODE_ENV=production PROMPTFLEET_DATA_DIR=/data
RUN mkdir /data && chown node:node /data && chmod 700 /data
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE README.md ./
COPY config config
USER node
VOLUME /data
EXPOSE 8700
# Of `serve`; docker-compose.yml has the one of `work`.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8700/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# It starts Node with the flags of its first line.
ENTRYPOINT ["/app/dist/src/cli.js"]
CMD ["serve", "--host", "0.0.0.0"]
