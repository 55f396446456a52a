# The program with its small model, for docker-compose.yml.
FROM node:20-bookworm-slim AS build
WORKDIR /tributary
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

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
