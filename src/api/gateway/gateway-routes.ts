/** @file What a gateway answers: groups, their pictures, feedback, and what is kept of a person. */

import * as z from 'zod';
import type { HttpApp } from '../../server/create-app.js';
import type { Desk, ServedGroup, Vote } from '../../streams/stages/gateway/desk.js';
import { gatewayProblem } from './gateway-problems.js';
import { addImagesRoute, type ImagesRouteOptions } from './images-route.js';
import {
  feedbackRequest,
  groupList,
  groupSchema,
  groupsQuery,
  nameSchema,
  personDeletion,
  personExport,
  statusSchema,
} from './schemas.js';

const groupPath = z.object({ id: z.string() });
const picturePath = z.object({ id: z.string(), file: z.string() });
const personPath = z.object({ person: nameSchema });
const PICTURE_FILE = /^(\d{1,4}|guess-\d{1,4}-\d{1,4})\.png$/;

/** Adds the routes over a desk. The application answers the desk's refusals with `deskProblem`. */
export function addGatewayRoutes(app: HttpApp, options: ImagesRouteOptions): void {
  const { desk } = options;
  addImagesRoute(app, options);
  addGroupRoutes(app, desk);
  addPersonRoutes(app, desk);
  app.route({
    method: 'GET',
    url: '/v1/status',
    schema: { operationId: 'status', summary: 'How much waits', response: { 200: statusSchema } },
    handler: () => desk.status(),
  });
}

function addGroupRoutes(app: HttpApp, desk: Desk): void {
  app.route({
    method: 'GET',
    url: '/v1/groups',
    schema: {
      operationId: 'listGroups',
      summary: 'Groups that wait for a voter, or that somebody asked for',
      querystring: groupsQuery,
      response: { 200: groupList },
    },
    handler: ({ query: { user, voter = '', limit } }) => ({
      groups: user === undefined ? desk.needsFeedback({ voter, limit }) : desk.own(user, limit),
    }),
  });
  app.route({
    method: 'GET',
    url: '/v1/groups/:id',
    schema: {
      operationId: 'getGroup',
      summary: 'A group, with its tree and state',
      params: groupPath,
      response: { 200: groupSchema },
    },
    handler: ({ params: { id } }) => groupOf(desk, id),
  });
  app.route({
    method: 'GET',
    url: '/v1/groups/:id/pictures/:file',
    config: { isUncounted: true },
    schema: {
      operationId: 'getPicture',
      summary: 'A picture of a group as PNG: 0.png, 1.png, ..., or guess-<step>-<node>.png',
      params: picturePath,
    },
    handler: async ({ params: { id, file } }, reply) => {
      groupOf(desk, id);
      const [, name] = PICTURE_FILE.exec(file) ?? [];
      const png = name === undefined ? undefined : await desk.picture(id, name);
      if (!png)
        throw gatewayProblem('unknown-picture', `group ${id}: expected a picture that it has, got ${file}`);
      return reply
        .type('image/png')
        .header('cache-control', 'private, max-age=31536000, immutable')
        .send(Buffer.from(png.buffer, png.byteOffset, png.byteLength));
    },
  });
  app.route({
    method: 'POST',
    url: '/v1/groups/:id/feedback',
    schema: {
      operationId: 'giveFeedback',
      summary: 'Say which pictures of a group are good',
      description:
        'It is on disk when it is answered: 201, or 200 where this voter had said the same before.',
      params: groupPath,
      body: feedbackRequest,
      response: { 200: groupSchema, 201: groupSchema },
    },
    handler: async ({ params: { id }, body }, reply) => {
      const { group, isNew } = await desk.vote(id, voteOf(body));
      return reply.code(isNew ? 201 : 200).send(group);
    },
  });
}

function addPersonRoutes(app: HttpApp, desk: Desk): void {
  app.route({
    method: 'GET',
    url: '/v1/people/:person',
    schema: {
      operationId: 'exportPerson',
      summary: 'All that is kept of a person: what they asked for and said',
      params: personPath,
      response: { 200: personExport },
    },
    handler: ({ params: { person } }) => desk.exportPerson(person),
  });
  app.route({
    method: 'DELETE',
    url: '/v1/people/:person',
    schema: {
      operationId: 'deletePerson',
      summary: 'Forget a person: what they asked for and said until now is gone',
      params: personPath,
      response: { 200: personDeletion },
    },
    handler: ({ params: { person } }) => desk.deletePerson(person),
  });
}

function groupOf(desk: Desk, id: string): ServedGroup {
  const group = desk.group(id);
  if (group) return group;
  throw gatewayProblem(
    'unknown-group',
    `group: expected one that this gateway keeps, got ${id.slice(0, 100)}`,
  );
}

/** The schema lets one judgment through. */
function voteOf({ user, idempotencyKey, ...said }: z.infer<typeof feedbackRequest>): Vote {
  const { best, ranking, ratings, none } = said;
  const voter = { voter: user, ...(idempotencyKey !== undefined && { idempotencyKey }) };
  if (best !== undefined) return { ...voter, best };
  if (ranking !== undefined) return { ...voter, ranking };
  if (ratings !== undefined) return { ...voter, ratings };
  return none ? { ...voter, none } : { ...voter, skip: true };
}
