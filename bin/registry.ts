/** The sources and stages that ship with the project, handed to lib/run. */

export { SHIPPED as registry } from '../lib/api/shipped.ts';
