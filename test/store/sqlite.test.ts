import { testStore } from '../support/store.ts'
import { storeContract } from './contract.ts'

storeContract(testStore)
