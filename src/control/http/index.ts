/** http: the REST resources, metrics and status page as one fastify app. */

export { readToken } from './access.js';
export { type AppParts, type AppRules, buildApp } from './app.js';
