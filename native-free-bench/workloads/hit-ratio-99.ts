import { hitRatio } from './shared/hit-ratio.ts'

export default hitRatio(99)
