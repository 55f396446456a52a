/** @file The OpenAPI document of a server, made from the schemas of its routes. */

import type { HttpApp } from './create-app.js';

interface ApiInfo {
  readonly title: string;
  readonly description: string;
  readonly version: string;
}

/** Describes all routes that are added afterwards, at `/openapi.json`. */
export async function describeApi(app: HttpApp, info: ApiInfo): Promise<void> {
  const [{ default: swagger }, { jsonSchemaTransform, jsonSchemaTransformObject }] = await Promise.all([
    import('@fastify/swagger'),
    import('fastify-type-provider-zod'),
  ]);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info,
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }, {}],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  app.route({
    method: 'GET',
    url: '/openapi.json',
    config: { isOpen: true },
    schema: { summary: 'This document', security: [] },
    handler: () => app.swagger(),
  });
}
