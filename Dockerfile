# The program with its small model, for docker-compose.yml.
FROM node:20-bookworm-slim AS build
WORKDIR /tributary
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
# What figures for Prometheus need besides, as docs/operations.md names it.
RUN npm run build && npm prune --omit=dev --ignore-scripts && npm install --no-save --ignore-scripts \
  @opentelemetry/api@1.9.1 @opentelemetry/resources@2.12.0 @opentelemetry/sdk-metrics@2.12.0 \
  @opentelemetry/exporter-prometheus@0.223.0

FROM node:20-bookworm-slim
WORKDIR /tributary
COPY --from=build /tributary/package.json ./
COPY --from=build /tributary/node_modules node_modules
COPY --from=build /tributary/dist dist
COPY --from=build /tributary/config config
COPY --from=build /tributary/models models
RUN mkdir runs payloads && chown node:node runs payloads
USER node
ENTRYPOINT ["node", "dist/cli/main.js"]
